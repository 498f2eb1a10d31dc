"""Coordination and transport of a cluster on Redis, in which everything may vanish at any moment."""

from commonroom.engine.cluster.redis.client import ControlClient
from commonroom.engine.cluster.redis.coordination import RedisCoordination
from commonroom.engine.cluster.redis.limit import RedisLimits
from commonroom.engine.cluster.redis.stats import TransportStats
from commonroom.engine.cluster.redis.transport import RedisTransport

__all__ = ["ControlClient", "RedisCoordination", "RedisLimits", "RedisTransport", "TransportStats"]
