"""Who somebody is: accounts, ways to sign in, login sessions."""
