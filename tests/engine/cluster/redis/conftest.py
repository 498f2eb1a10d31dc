"""Real redis-servers for these tests."""

from tests.support.redis import own_redis, redis_url

__all__ = ["own_redis", "redis_url"]
