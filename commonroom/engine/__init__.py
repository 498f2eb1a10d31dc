"""The actor engine. Knows no room and no user."""
