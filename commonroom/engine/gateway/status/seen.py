"""When users were here last: told as sessions begin and end, written late and together (FEATURES P20).

Lazy state (DESIGN 3): to the minute, at most two seconds behind, never acknowledged. However many come and go, one
statement a second is written, which changes a row a user and minute. Nothing runs while nobody comes or goes.
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Final

import structlog

from commonroom.clock import Clock
from commonroom.errors import CommonroomError, Unavailable
from commonroom.tasks import TaskGroup, pause

__all__ = ["SeenLog", "WriteSeen"]

log = structlog.get_logger(__name__)

WriteSeen = Callable[[Mapping[str, int]], Awaitable[None]]
"""Users and moments. Raises Unavailable where the database does not answer."""

MINUTE_MS: Final = 60_000
FLUSH_S: Final = 1.0
AWAY_S: Final = 2.0
MAX_BATCH: Final = 1_000
MAX_QUEUED: Final = 10_000


class SeenLog:
    """The users of one node.

    Attributes:
        lost: moments that were not written.
    """

    def __init__(self, write: WriteSeen, clock: Clock) -> None:
        self.lost = 0
        self._write = write
        self._clock = clock
        self._queue: dict[str, int] = {}
        self._tasks = TaskGroup(_crashed)
        self._is_flushing = False

    def note(self, user: str) -> None:
        """The user is here, or was until now."""
        self._queue[user] = self._clock.now() // MINUTE_MS * MINUTE_MS
        self._bound()
        if not self._is_flushing:
            self._is_flushing = True
            self._tasks.start("last seen", self._flush())

    async def close(self) -> None:
        """Write what is queued, if the database answers."""
        await self._tasks.close()
        try:
            while self._queue:
                await self._write_batch()
        except Unavailable as error:
            self.lost += len(self._queue)
            log.warning("last_seen_not_written", users=len(self._queue), reason=str(error))

    async def _flush(self) -> None:
        try:
            while self._queue:
                await pause(FLUSH_S)
                try:
                    for _ in range(-(-len(self._queue) // MAX_BATCH)):  # who comes meanwhile is of the next flush
                        await self._write_batch()
                except Unavailable as error:
                    log.warning("last_seen_waits", users=len(self._queue), reason=str(error))
                    await pause(AWAY_S)
        finally:
            self._is_flushing = False

    async def _write_batch(self) -> None:
        batch = dict(islice(self._queue.items(), MAX_BATCH))
        for user in batch:
            del self._queue[user]
        try:
            await self._write(batch)
        except (Unavailable, CancelledError):
            self._queue = {**batch, **self._queue}
            self._bound()
            raise
        except CommonroomError as error:  # it would be refused again
            self.lost += len(batch)
            log.error("last_seen_refused", users=len(batch), reason=str(error))  # noqa: TRY400 - the reason says it

    def _bound(self) -> None:
        while len(self._queue) > MAX_QUEUED:
            del self._queue[next(iter(self._queue))]
            self.lost += 1


def _crashed(name: str, error: BaseException) -> None:
    log.error("last_seen_failed", task=name, error=type(error).__name__, exc_info=error)
