"""Who came into which room lately: told by each admission, written late and together (FEATURES P19).

Lazy state (DESIGN 3): at most two seconds behind, never acknowledged, and what a process had not written is
gone with it. Nothing runs while nobody comes. However often somebody joins a room, one visit is written in
`AGAIN_S`; while the database is away the oldest of a full queue are dropped.
"""

from asyncio import CancelledError
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final

import structlog

from commonroom.clock import Clock
from commonroom.errors import CommonroomError, Unavailable
from commonroom.identity import Principal
from commonroom.storage.repository.visit import AGAIN_MS, Visit
from commonroom.tasks import TaskGroup, pause

__all__ = ["VisitLog", "WriteVisits"]

log = structlog.get_logger(__name__)

WriteVisits = Callable[[Sequence[Visit]], Awaitable[None]]
"""Keeps them. Raises Unavailable where the database does not answer."""

FLUSH_S: Final = 1.0
AWAY_S: Final = 2.0
MAX_BATCH: Final = 1_000
MAX_QUEUED: Final = 10_000
MAX_NOTED: Final = 50_000
"""So many are known to be written: 10 MB at most. Of more who come within a minute some are written twice."""

Key = tuple[str, str]


class VisitLog:
    """The visits to rooms by users of one node.

    Attributes:
        lost: visits that were not written.
    """

    def __init__(self, write: WriteVisits, clock: Clock) -> None:
        self.lost = 0
        self._write = write
        self._clock = clock
        self._noted: OrderedDict[Key, int] = OrderedDict()  # the earliest first
        self._queue: OrderedDict[Key, int] = OrderedDict()
        self._tasks = TaskGroup(_crashed)
        self._is_flushing = False

    def __len__(self) -> int:
        """Visits that are not written yet."""
        return len(self._queue)

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
        self._queue[key] = now
        if len(self._queue) > MAX_QUEUED:
            self._queue.popitem(last=False)
            self.lost += 1
        if not self._is_flushing:
            self._is_flushing = True
            self._tasks.start("visits", self._flush())

    async def close(self) -> None:
        """Write what is queued, if the database answers."""
        await self._tasks.close()
        try:
            while self._queue:
                await self._write_batch()
        except Unavailable as error:
            self.lost += len(self._queue)
            log.warning("visits_not_written", visits=len(self._queue), reason=str(error))

    async def _flush(self) -> None:
        """While there is something to write."""
        try:
            while self._queue:
                await pause(FLUSH_S)
                try:
                    for _ in range(-(-len(self._queue) // MAX_BATCH)):  # who comes meanwhile is of the next flush
                        await self._write_batch()
                except Unavailable as error:
                    log.warning("visits_wait", visits=len(self._queue), reason=str(error))
                    await pause(AWAY_S)
            self._forget()
        finally:
            self._is_flushing = False

    async def _write_batch(self) -> None:
        """The oldest. One that is cut off is written again: that changes nothing."""
        batch = dict(islice(self._queue.items(), MAX_BATCH))
        for key in batch:
            del self._queue[key]
        try:
            await self._write([Visit(*key, at) for key, at in batch.items()])
        except (Unavailable, CancelledError):
            self._put_back(batch)
            raise
        except CommonroomError as error:  # it would be refused again
            self.lost += len(batch)
            log.error("visits_refused", visits=len(batch), reason=str(error))  # noqa: TRY400 - the reason says it

    def _put_back(self, batch: dict[Key, int]) -> None:
        later, self._queue = self._queue, OrderedDict(batch)
        self._queue.update(later)
        while len(self._queue) > MAX_QUEUED:
            self._queue.popitem(last=False)
            self.lost += 1

    def _forget(self) -> None:
        """What may be written again need not be known."""
        over = self._clock.now() - AGAIN_MS
        while self._noted and next(iter(self._noted.values())) <= over:
            self._noted.popitem(last=False)


def _crashed(name: str, error: BaseException) -> None:
    log.error("visits_failed", task=name, error=type(error).__name__, exc_info=error)
