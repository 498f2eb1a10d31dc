"""Queries by area. Each class takes the `Database` and answers in types of its own."""
