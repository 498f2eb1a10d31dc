"""A room: one actor type, composed of features."""
