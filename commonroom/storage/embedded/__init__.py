"""Servers that a node runs itself where none was configured."""

from commonroom.storage.embedded.postgres import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
