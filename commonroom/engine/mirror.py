"""A small table that every node has in memory, and keeps up with.

    admin ──► table ──► notice ──► every node: reads all of it again
                └────── read at the start, and when notices may have been lost ──────┘

So a change is in force on every node within two seconds, and asking costs no statement.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

import structlog

from commonroom.engine.notice import Notices, Topic
from commonroom.errors import Unavailable
from commonroom.tasks import TaskGroup

__all__ = ["Mirror"]

log = structlog.get_logger(__name__)


class Mirror(ABC):
    """One table, as one node knows it.

    Args:
        topic: of the notices that tell of its changes.
    """

    def __init__(self, topic: Topic, notices: Notices) -> None:
        self._notices = notices
        self._topic = topic
        self._again = asyncio.Event()
        self._tasks = TaskGroup(self._crashed)

    @abstractmethod
    async def _read(self) -> None:
        """Take the whole table up anew. Raises Unavailable."""

    async def open(self) -> None:
        """Read it, then keep up with it. Before anybody is let in. Raises Unavailable."""
        await self._read()
        self._notices.listen(self._topic, self._heard, self._again.set)
        self._tasks.start(self._topic, self._run())

    async def close(self) -> None:
        """Stop. Safe to call twice."""
        await self._tasks.close()

    def _heard(self, _keys: Sequence[str]) -> None:
        self._again.set()

    async def _run(self) -> None:
        while True:
            await self._again.wait()
            self._again.clear()
            try:
                await self._read()
            except Unavailable as error:
                self._notices.doubt()
                log.warning("mirror_not_read", table=self._topic, reason=str(error))

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault; a node that no longer heard of changes would go on as before them."""
        log.error("mirror_failed", table=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._run())
