"""The projections of a node, woken by its journal. Each follows on its own, so that none delays another."""

from collections.abc import Callable, Sequence

from commonroom.storage.journal.batch import Entry
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.pool import Database
from commonroom.storage.projection.checkpoint import PendingEvent
from commonroom.storage.projection.follower import Follower
from commonroom.storage.projection.projection import Projection
from commonroom.storage.projection.tail import Tail

__all__ = ["ProjectionRunner"]

TRIM_EVENTS = 64
"""Events of a slot in memory from which on it is looked whether all have them."""


class ProjectionRunner:
    """All projections of a node.

    Args:
        on_trouble: called with one line for the log.
    """

    def __init__(
        self, database: Database, journal: PostgresJournal, projections: Sequence[Projection], on_trouble: Callable[[str], None]
    ) -> None:
        self._journal = journal
        self._tails: dict[int, Tail] = {}
        self._followers = [Follower(database, projection, self._tails, on_trouble) for projection in projections]

    async def start(self) -> None:
        """Catch up with what was committed before, then follow.

        Raises:
            Unavailable: the database does not answer.
        """
        self._journal.watch(self._note, self.position)
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

    def _note(self, entry: Entry, before: int) -> None:
        commit, position = entry.commit, entry.first_pos
        tail = self._tails.get(commit.slot)
        if tail is None:
            tail = self._tails[commit.slot] = Tail(before)
        elif len(tail) >= TRIM_EVENTS:
            tail.trim(self.position(commit.slot))
        for event in commit.events:
            tail.add(PendingEvent(commit.stream, event.offset, commit.slot, position, event.payload))
            position += 1
        self.wake(commit.slot)

    @property
    def queued_slots(self) -> int:
        """Slots with events to apply, in the projection that has most."""
        return max(follower.queued_slots for follower in self._followers)

    @property
    def applied_events(self) -> int:
        """Events applied since the start, counted for each projection."""
        return sum(follower.applied_events for follower in self._followers)
