"""Commonroom: a self-hosted realtime social engine."""

__version__ = "0.1.0"
