"""A user: their status, as their devices make it."""
