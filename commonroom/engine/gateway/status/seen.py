"""When users were here last, to the minute: told as sessions begin and end (FEATURES P20).

However many come and go, one statement a second is written, which changes a row a user and minute.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from commonroom.clock import Clock
from commonroom.engine.gateway.lazy import LazyMoments

__all__ = ["SeenLog", "WriteSeen"]

WriteSeen = Callable[[Mapping[str, int]], Awaitable[None]]
"""Users and moments. Raises Unavailable where the database does not answer."""

MINUTE_MS: Final = 60_000


class SeenLog(LazyMoments[str]):
    """The users of one node."""

    def __init__(self, write: WriteSeen, clock: Clock) -> None:
        super().__init__("last seen")
        self._write = write
        self._clock = clock

    def note(self, user: str) -> None:
        """The user is here, or was until now."""
        self._put(user, self._clock.now() // MINUTE_MS * MINUTE_MS)

    async def _keep(self, batch: Mapping[str, int]) -> None:
        await self._write(batch)
