"""Who came into which room lately: told by each admission (FEATURES P19).

However often somebody joins a room, one visit is written in `AGAIN_S`.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from commonroom.clock import Clock
from commonroom.engine.gateway.lazy import LazyMoments
from commonroom.identity import Principal
from commonroom.storage.repository.visit import AGAIN_MS, Visit

__all__ = ["VisitLog", "WriteVisits"]

WriteVisits = Callable[[Sequence[Visit]], Awaitable[None]]
"""Keeps them. Raises Unavailable where the database does not answer."""

MAX_NOTED: Final = 50_000
"""So many are known to be written: 10 MB at most. Of more who come within a minute some are written twice."""

Key = tuple[str, str]


class VisitLog(LazyMoments[Key]):
    """The visits to rooms by users of one node."""

    def __init__(self, write: WriteVisits, clock: Clock) -> None:
        super().__init__("visits")
        self._write = write
        self._clock = clock
        self._noted: OrderedDict[Key, int] = OrderedDict()  # the earliest first

    def note(self, who: Principal, room: str) -> None:
        """Somebody is admitted to a room. Guests keep their own list."""
        if who.actor_type != "user":
            return
        key, now = (who.actor_id, room), self._clock.now()
        if (noted := self._noted.get(key)) is not None and now - noted < AGAIN_MS:
            return
        self._noted[key] = now
        self._noted.move_to_end(key)
        if len(self._noted) > MAX_NOTED:
            self._noted.popitem(last=False)
        self._put(key, now)

    async def _keep(self, batch: Mapping[Key, int]) -> None:
        await self._write([Visit(*key, at) for key, at in batch.items()])

    def _flushed(self) -> None:
        """What may be written again need not be known."""
        over = self._clock.now() - AGAIN_MS
        while self._noted and next(iter(self._noted.values())) <= over:
            self._noted.popitem(last=False)
