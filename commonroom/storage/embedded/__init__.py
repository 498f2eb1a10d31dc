"""Servers that a node runs itself where none was configured."""

from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis"]
