"""Control calls to Redis: few, short, never repeated.

redis-py would repeat a call of unknown outcome by default (RELIABILITY R15) and let it
last eight seconds; here it is sent once and given up after half a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from commonroom.engine.cluster.redis.endpoint import TIMEOUT_S, Endpoint
from commonroom.engine.cluster.redis.script import Script

__all__ = ["ControlClient"]


class ControlClient:
    """A Redis client whose every failure is `Unavailable`, outcome unknown.

    Raises:
        ConfigError: `url` is no Redis URL.
    """

    def __init__(self, url: str) -> None:
        self._endpoint = Endpoint(url)
        self._redis = Redis.from_pool(self._endpoint.pool)
        self._execute: Callable[..., Awaitable[object]] = self._redis.execute_command
        self.commands = 0
        """Redis commands sent, for metrics."""

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int]) -> object:
        """Run a script as one atomic step; its answer, with strings as bytes.

        Raises:
            Unavailable: no answer within 0.5 s, or an error; whether it took effect is unknown.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._run(script, len(keys), (*keys, *arguments))
        except Exception as error:  # noqa: BLE001 - R19: whatever it is, the outcome is unknown
            raise self._endpoint.unavailable(error) from None

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._redis.aclose()

    async def _run(self, script: Script, keys: int, values: Sequence[str | int]) -> object:
        self.commands += 1
        try:
            return await self._execute("EVALSHA", script.sha, keys, *values)
        except NoScriptError:  # a restart or SCRIPT FLUSH: it certainly did not run
            self.commands += 1
            return await self._execute("EVAL", script.text, keys, *values)
