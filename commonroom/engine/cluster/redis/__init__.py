"""Coordination and transport of a cluster on Redis, in which everything may vanish at any moment."""

from commonroom.engine.cluster.redis.client import ControlClient
from commonroom.engine.cluster.redis.coordination import RedisCoordination

__all__ = ["ControlClient", "RedisCoordination"]
