"""The projections of a node, woken by its journal. Each follows on its own, so that none delays another."""

import asyncio
from collections.abc import Callable, Collection, Sequence

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
        self._open: set[int] = set()
        self._opening: dict[int, object] = {}
        self._tails: dict[int, Tail] = {}
        self._followers = [Follower(database, projection, self._tails, on_trouble) for projection in projections]

    async def start(self) -> None:
        """Open the slots that the journal has open and start working.

        Raises:
            Unavailable: the database does not answer.
        """
        self._journal.watch(self._note, self.position)
        await self.open_slots(self._journal.slots)
        for follower in self._followers:
            follower.start()

    async def open_slots(self, slots: Collection[int]) -> None:
        """Catch up with what was committed to these slots before, then follow. The journal has them open already.

        A slot that is open starts anew. A slot dropped meanwhile, here or in the journal, stays closed.
        On an error none of them opens.

        Raises:
            Unavailable: the database does not answer.
        """
        self.drop_slots(slots)
        token = object()
        self._opening.update(dict.fromkeys(slots, token))
        found = await asyncio.gather(*(follower.checkpoints(slots) for follower in self._followers))
        ours = frozenset(self._journal.slots)
        opened = [slot for slot in slots if self._opening.get(slot) is token and slot in ours]
        self.drop_slots(opened)
        self._open.update(opened)
        for follower, checkpoints in zip(self._followers, found, strict=True):
            follower.open_slots({slot: checkpoints[slot] for slot in opened})
            follower.wake(*(slot for slot in opened if self._journal.position(slot) > checkpoints[slot]))

    async def close_slots(self, slots: Collection[int]) -> None:
        """Stop working on these slots; returns when no transaction of ours touches them any more.

        What was not applied yet is applied by whoever opens them next.
        """
        self.drop_slots(slots)
        for follower in self._followers:
            await follower.close_slots(slots)

    def drop_slots(self, slots: Collection[int]) -> None:
        """Forget these slots at once: somebody else owns them."""
        self._open.difference_update(slots)
        for slot in slots:
            self._opening.pop(slot, None)
            self._tails.pop(slot, None)
        for follower in self._followers:
            follower.drop_slots(slots)

    async def close(self) -> None:
        """Stop; what was not applied is applied at the next start."""
        for follower in self._followers:
            await follower.close()

    async def caught_up(self) -> None:
        """Wait until nothing is queued, for tests and backups."""
        for follower in self._followers:
            await follower.caught_up()

    def position(self, slot: int) -> int:
        """The slot position up to which the slowest projection has come; 0 for a slot that is not open."""
        return min(follower.position(slot) for follower in self._followers)

    def wake(self, slot: int) -> None:
        """Look at the slot again, if it is open: events of it may be new."""
        if slot in self._open:
            for follower in self._followers:
                follower.wake(slot)

    def _note(self, entry: Entry, before: int) -> None:
        commit, position = entry.commit, entry.first_pos
        if commit.slot not in self._open:
            return
        tail = self._tails.get(commit.slot)
        if tail is None or tail.head != before:  # or: others wrote in between
            tail = self._tails[commit.slot] = Tail(before)
        elif len(tail) >= TRIM_EVENTS:
            tail.trim(self.position(commit.slot))
        for event in commit.events:
            tail.add(PendingEvent(commit.stream, event.offset, commit.slot, position, event.payload, event.private))
            position += 1
        self.wake(commit.slot)

    @property
    def queued_slots(self) -> int:
        """Slots with events to apply, in the projection that has most."""
        return max(follower.queued_slots for follower in self._followers)

    @property
    def lag_events(self) -> int:
        """Events, at most, that the slowest projection of any slot is behind what is durable."""
        slots = (slot for slot in self._journal.slots if slot in self._open)
        return max((self._journal.position(slot) - self.position(slot) for slot in slots), default=0)

    @property
    def applied_events(self) -> int:
        """Events applied since the start, counted for each projection."""
        return sum(follower.applied_events for follower in self._followers)
