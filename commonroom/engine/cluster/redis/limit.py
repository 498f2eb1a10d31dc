"""Limits that all nodes count together, on Redis: one script a call, by Redis' own clock."""

from collections.abc import Sequence

from commonroom.engine.cluster.redis.client import ControlClient
from commonroom.engine.cluster.redis.script import load_script
from commonroom.errors import Unavailable
from commonroom.limit.limiter import SharedAnswer, SharedAsk

__all__ = ["RedisLimits"]

LIMIT, MARK = (load_script(name, opening=None) for name in ("limit", "mark"))


class RedisLimits:
    """Implements `SharedLimits` for the nodes of `cluster`. Keys expire by themselves.

    Args:
        client: of its own, so that limits never hold up what keeps a node alive; the caller closes it.
    """

    def __init__(self, client: ControlClient, cluster: str) -> None:
        self._client = client
        self._prefix = f"{{commonroom:{cluster}}}:limit:"

    async def take(self, asks: Sequence[SharedAsk], mark: str | None) -> SharedAnswer:
        keys = [self._mark(mark)]
        keys += [self._key(ask.name, ask.key) for ask in asks]
        keys += [self._key(ask.name, ask.familiar) for ask in asks]
        numbers = [number for ask in asks for number in ask.rate]
        return _read(await self._client.run(LIMIT, keys, numbers), len(asks))

    async def remember(self, mark: str, ttl_ms: int) -> None:
        await self._client.run(MARK, [self._mark(mark)], (ttl_ms,))

    def _mark(self, mark: str | None) -> str:
        return "" if mark is None else f"{self._prefix}familiar:{mark}"

    def _key(self, name: str, key: str | None) -> str:
        return "" if key is None else f"{self._prefix}{name}:{key}"


def _read(answer: object, count: int) -> SharedAnswer:
    """An answer of `limit.lua`. Raises Unavailable: it is none."""
    if not isinstance(answer, list) or len(answer) != 2 + count or not all(type(number) is int for number in answer):
        raise Unavailable("redis: limits were answered by what makes no sense")
    wait_us, familiar, *ahead_us = answer
    return SharedAnswer(wait_us, familiar == 1, ahead_us)
