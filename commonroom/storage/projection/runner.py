"""The projections of a node, woken by its journal. Each follows on its own, so that none delays another."""

from collections.abc import Callable, Sequence

from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.pool import Database
from commonroom.storage.projection.follower import Follower
from commonroom.storage.projection.projection import Projection

__all__ = ["ProjectionRunner"]


class ProjectionRunner:
    """All projections of a node.

    Args:
        on_trouble: called with one line for the log.
    """

    def __init__(
        self, database: Database, journal: PostgresJournal, projections: Sequence[Projection], on_trouble: Callable[[str], None]
    ) -> None:
        self._journal = journal
        self._followers = [Follower(database, projection, on_trouble) for projection in projections]

    async def start(self) -> None:
        """Catch up with what was committed before, then follow.

        Raises:
            Unavailable: the database does not answer.
        """
        self._journal.watch(self.wake, self.position)
        for follower in self._followers:
            await follower.start({slot: self._journal.position(slot) for slot in self._journal.slots})

    async def close(self) -> None:
        """Stop; what was not applied is applied at the next start."""
        for follower in self._followers:
            await follower.close()

    async def caught_up(self) -> None:
        """Wait until nothing is queued, for tests and backups."""
        for follower in self._followers:
            await follower.caught_up()

    def position(self, slot: int) -> int:
        """The slot position up to which the slowest projection has come."""
        return min(follower.position(slot) for follower in self._followers)

    def wake(self, slot: int) -> None:
        """Look at the slot again: events of it may be new."""
        for follower in self._followers:
            follower.wake(slot)

    @property
    def queued_slots(self) -> int:
        """Slots with events to apply, in the projection that has most."""
        return max(follower.queued_slots for follower in self._followers)

    @property
    def applied_events(self) -> int:
        """Events applied since the start, counted for each projection."""
        return sum(follower.applied_events for follower in self._followers)
