"""Moments that a node learns one by one, and writes late and together.

Lazy state (DESIGN 3): at most two seconds behind, never acknowledged, and what a process had not written is gone with
it. Nothing runs while nothing comes. While the database is away the oldest of a full queue are dropped.
"""

from abc import ABC, abstractmethod
from asyncio import CancelledError
from collections.abc import Mapping
from itertools import islice
from typing import Final, Generic, TypeVar

import structlog

from commonroom.errors import CommonroomError, Unavailable
from commonroom.tasks import TaskGroup, pause

__all__ = ["MAX_QUEUED", "LazyMoments"]

log = structlog.get_logger(__name__)

FLUSH_S: Final = 1.0
AWAY_S: Final = 2.0
MAX_BATCH: Final = 1_000
MAX_QUEUED: Final = 10_000

K = TypeVar("K")


class LazyMoments(ABC, Generic[K]):
    """The moments of one kind, by key; of a key the latest counts.

    Args:
        what: names them in the log.

    Attributes:
        lost: moments that were not written.
    """

    def __init__(self, what: str) -> None:
        self.lost = 0
        self._what = what
        self._queue: dict[K, int] = {}
        self._tasks = TaskGroup(self._crashed)
        self._is_flushing = False

    def __len__(self) -> int:
        """Moments that are not written yet."""
        return len(self._queue)

    @abstractmethod
    async def _keep(self, batch: Mapping[K, int]) -> None:
        """Write them; again is no error. Raises Unavailable where the database does not answer."""

    def _flushed(self) -> None:
        """All is written for now."""

    def _put(self, key: K, at: int) -> None:
        self._queue[key] = at
        self._bound()
        if not self._is_flushing:
            self._is_flushing = True
            self._tasks.start(self._what, self._flush())

    async def close(self) -> None:
        """Write what is queued, if the database answers."""
        await self._tasks.close()
        try:
            while self._queue:
                await self._write_batch()
        except Unavailable as error:
            self.lost += len(self._queue)
            log.warning("moments_not_written", what=self._what, moments=len(self._queue), reason=str(error))

    async def _flush(self) -> None:
        """While there is something to write."""
        try:
            while self._queue:
                await pause(FLUSH_S)
                try:
                    for _ in range(-(-len(self._queue) // MAX_BATCH)):  # what comes meanwhile is of the next flush
                        await self._write_batch()
                except Unavailable as error:
                    log.warning("moments_wait", what=self._what, moments=len(self._queue), reason=str(error))
                    await pause(AWAY_S)
            self._flushed()
        finally:
            self._is_flushing = False

    async def _write_batch(self) -> None:
        """The oldest. One that is cut off is written again: that changes nothing."""
        batch = dict(islice(self._queue.items(), MAX_BATCH))
        for key in batch:
            del self._queue[key]
        try:
            await self._keep(batch)
        except (Unavailable, CancelledError):
            self._queue = {**batch, **self._queue}
            self._bound()
            raise
        except CommonroomError as error:  # it would be refused again
            self.lost += len(batch)
            log.error("moments_refused", what=self._what, moments=len(batch), reason=str(error))  # noqa: TRY400 - the reason says it

    def _bound(self) -> None:
        while len(self._queue) > MAX_QUEUED:
            del self._queue[next(iter(self._queue))]
            self.lost += 1

    def _crashed(self, name: str, error: BaseException) -> None:
        log.error("moments_failed", what=name, error=type(error).__name__, exc_info=error)
