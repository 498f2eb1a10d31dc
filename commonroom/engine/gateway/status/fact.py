"""What PostgreSQL has of users whose status matters here: read once, and again when a notice names them.

What is wanted in one turn of the loop, or while a read is under way, is read in one statement. What could not be
read stays as it is known, and is read again with the next gap that notices tell.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import structlog

from commonroom.errors import CommonroomError
from commonroom.storage.repository.preference import StatusFacts
from commonroom.tasks import TaskGroup

__all__ = ["FactReader", "LoadFacts"]

log = structlog.get_logger(__name__)

LoadFacts = Callable[[Sequence[str]], Awaitable[Mapping[str, StatusFacts]]]
"""Users → those who exist. Raises Unavailable where the database does not answer."""

AT_ONCE: Final = 500
"""Users of one statement."""


class FactReader:
    """Reads for whoever asks.

    Args:
        took: called with each user that was read; None: there is no such user.
    """

    def __init__(self, load: LoadFacts, tasks: TaskGroup, took: Callable[[str, StatusFacts | None], None]) -> None:
        self._load = load
        self._tasks = tasks
        self._took = took
        self._wanted: dict[str, None] = {}
        self._is_reading = False
        self.reads = 0
        """Statements since the start."""
        self.on_failed: Callable[[], None] = _nothing
        """Called when something could not be read: whoever tells of gaps is to tell of one again."""

    def want(self, users: Iterable[str]) -> None:
        """Read these, soon."""
        self._wanted.update(dict.fromkeys(users))
        if self._wanted and not self._is_reading:
            self._is_reading = True
            self._tasks.start("status facts", self._read())

    async def _read(self) -> None:
        try:
            while self._wanted:
                batch = list(islice(self._wanted, AT_ONCE))
                for user in batch:
                    del self._wanted[user]
                self.reads += 1
                try:
                    found = await self._load(batch)
                except CommonroomError as error:
                    log.warning("status_facts_not_read", users=len(batch), reason=str(error))
                    self._wanted.clear()  # the next statement might take as long to fail
                    self.on_failed()
                    return
                for user in batch:
                    self._took(user, found.get(user))
        finally:
            self._is_reading = False


def _nothing() -> None:
    pass
