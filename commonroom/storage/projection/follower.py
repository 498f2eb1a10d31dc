"""Drives one projection after the journal (DESIGN 4).

A round takes the slots that have news, takes their next events from memory or reads
them, moves their checkpoints by compare-and-set and applies the events, all in one
transaction. An event that cannot be applied parks its stream, with an alarm;
checkpoints move over parked streams, so that a poisoned room never holds up its slot.

Known events that the projection does not want are passed over in memory; the checkpoint
follows with the next wanted one, or when it is `LAZY_EVENTS` behind.

Streams of a slot that were parked before it opened here are tried again: a newer version may
know what an older one did not. That happens beside the rounds, never while the slot opens: an
effect may be for an actor that is there only once it is open.

Slots come and go. What memory knows of a slot is a hint; the checkpoint in the database decides:
whoever moves it from where it stood has applied the events in between, and nobody else has.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from commonroom.errors import Unavailable
from commonroom.storage.fault import explain
from commonroom.storage.pool import Database
from commonroom.storage.projection.applier import POISON, Applier
from commonroom.storage.projection.checkpoint import CheckpointMoved, PendingEvent, move, parked_in, pending, positions
from commonroom.storage.projection.projection import Projection
from commonroom.storage.projection.tail import Tail
from commonroom.tasks import TaskGroup, pause

__all__ = ["Follower"]

COALESCE_S = 0.05
"""Time for more commits to join a round; listings may lag a second, history reads do not lag at all."""
LAZY_EVENTS = 1000
SLOTS_PER_ROUND = 64
EVENTS_PER_SLOT = 200
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

# Losing the last rounds in a crash is harmless: checkpoint and rows are lost together and done again.
RELAXED = "SET LOCAL synchronous_commit = off"


class _Progress:
    """How far a slot has come since it was opened here. `reached` is as far as `checkpoint` or further: nothing in between is wanted."""

    __slots__ = ("checkpoint", "reached")

    def __init__(self, checkpoint: int) -> None:
        self.checkpoint = self.reached = checkpoint


class Follower:
    """One projection over the slots this node owns.

    Args:
        tails: the latest events by slot, where there are any.
        on_trouble: called with one line for a parked stream and when the database is away.
    """

    def __init__(self, database: Database, projection: Projection, tails: Mapping[int, Tail], on_trouble: Callable[[str], None]) -> None:
        self._database = database
        self._name = projection.name
        self._applier = Applier(database, projection, on_trouble)
        self._on_trouble = on_trouble
        self._tails = tails
        self._slots: dict[int, _Progress] = {}
        self._queued: dict[int, None] = {}  # of `_slots`
        self._unvisited: dict[int, _Progress] = {}  # of `_slots`: those whose parked streams are to be tried again
        self._working: frozenset[int] = frozenset()
        self._round_ended = asyncio.Event()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = TaskGroup(self._crashed)
        self.applied_events = 0

    def start(self) -> None:
        """Follow the slots that are open."""
        self._tasks.start(f"projection {self._name}", self._run())

    async def close(self) -> None:
        """Stop; what is not applied yet is applied after the next start."""
        await self._tasks.close()

    async def checkpoints(self, slots: Collection[int]) -> dict[int, int]:
        """Where the checkpoints of slots are that are about to open.

        Raises:
            Unavailable: the database does not answer.
        """
        await self._untouched(slots)
        async with self._database.connection() as connection:
            return await positions(connection, self._name, slots)

    def open_slots(self, checkpoints: Mapping[int, int]) -> None:
        """Work on these slots too, when woken; try again what was parked of them."""
        opened = {slot: _Progress(checkpoint) for slot, checkpoint in checkpoints.items()}
        self._slots.update(opened)
        self._unvisited.update(opened)
        self._rouse()

    async def close_slots(self, slots: Collection[int]) -> None:
        """Forget these slots; returns when no transaction of ours touches them any more."""
        self.drop_slots(slots)
        await self._untouched(slots)

    def drop_slots(self, slots: Collection[int]) -> None:
        """Forget these slots at once. A round under way may still move their checkpoints, if nobody else has."""
        for slot in slots:
            self._slots.pop(slot, None)
            self._queued.pop(slot, None)
            self._unvisited.pop(slot, None)

    def wake(self, *slots: int) -> None:
        """These slots, which are open, have news."""
        self._queued.update(dict.fromkeys(slots))
        self._rouse()

    def _rouse(self) -> None:
        if self._queued or self._unvisited:
            self._idle.clear()
            self._news.set()

    def position(self, slot: int) -> int:
        """The slot position up to which this projection has come; 0 for a slot that is not open."""
        progress = self._slots.get(slot)
        return 0 if progress is None else progress.reached

    @property
    def queued_slots(self) -> int:
        """Slots with events to apply."""
        return len(self._queued)

    async def caught_up(self) -> None:
        """Wait until everything this was woken for is applied."""
        await self._idle.wait()

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._news.wait()
            await pause(COALESCE_S)
            try:
                await self._catch_up()
                pause_s = FIRST_PAUSE_S
            except Unavailable as error:
                self._on_trouble(f"projection {self._name} waits {pause_s:.2f} s: {error}")
                await pause(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _catch_up(self) -> None:
        while self._queued or self._unvisited:
            if self._queued:
                await self._work_on(list(self._queued)[:SLOTS_PER_ROUND])
            else:
                await self._revisit(dict(self._unvisited))
        self._news.clear()
        self._idle.set()

    async def _work_on(self, slots: Sequence[int]) -> None:
        for slot in slots:
            del self._queued[slot]
        self._working = frozenset(slots)
        try:
            self._requeue(await self._round({slot: self._slots[slot] for slot in slots}))
        except BaseException:
            self._requeue(slots)
            raise
        finally:
            self._end_round()

    async def _revisit(self, slots: Mapping[int, _Progress]) -> None:
        """Try again what is parked of these slots, as long as they are open."""
        async with self._database.transaction() as connection:
            streams = await parked_in(connection, self._name, slots)
        for slot, stream in streams:
            if self._unvisited.get(slot) is not slots[slot]:
                continue
            self._working = frozenset([slot])
            try:
                await self._applier.retry(stream)
            finally:
                self._end_round()
        for slot, progress in slots.items():
            if self._unvisited.get(slot) is progress:
                del self._unvisited[slot]

    def _requeue(self, slots: Iterable[int]) -> None:
        self._queued.update(dict.fromkeys(slot for slot in slots if slot in self._slots))

    def _end_round(self) -> None:
        self._working = frozenset()
        ended, self._round_ended = self._round_ended, asyncio.Event()
        ended.set()

    async def _untouched(self, slots: Collection[int]) -> None:
        while not self._working.isdisjoint(slots):
            ended = self._round_ended
            await ended.wait()

    async def _round(self, work: Mapping[int, _Progress]) -> Iterable[int]:
        """One transaction; the slots that may have more than it took."""
        events = self._remembered(work)
        if events is not None and self._pass_over(work, events):
            return _unfinished(events)
        try:
            return await self._transact(work, events, isolate=False)
        except POISON:
            await self._isolate(work, events)
            return work
        except CheckpointMoved:
            if await self._somebody_else_works(work):
                raise
            return work  # only slots that were dropped meanwhile: the others have lost nothing but time

    async def _isolate(self, work: Mapping[int, _Progress], events: Sequence[PendingEvent] | None) -> None:
        """Slot by slot, the poisoned ones event by event.

        A transaction of a whole backlog would outlast its time and roll back, again and again.
        """
        for slot, progress in work.items():
            own = None if events is None else [event for event in events if event.slot == slot]
            if own == []:
                continue
            try:
                await self._transact({slot: progress}, own, isolate=False)
            except POISON:
                await self._transact({slot: progress}, own, isolate=True)

    def _remembered(self, work: Mapping[int, _Progress]) -> list[PendingEvent] | None:
        """Their next events, if memory has them all."""
        events: list[PendingEvent] = []
        for slot, progress in work.items():
            tail = self._tails.get(slot)
            kept = None if tail is None else tail.after(progress.reached, EVENTS_PER_SLOT)
            if kept is None:
                return None
            events += kept
        return events

    def _pass_over(self, work: Mapping[int, _Progress], events: Sequence[PendingEvent]) -> bool:
        """Go past events of which none is wanted, unless the checkpoint must follow."""
        after = {event.slot: event.slot_pos for event in events}
        if any(position - work[slot].checkpoint > LAZY_EVENTS for slot, position in after.items()):
            return False
        if any(self._applier.matters(event) for event in events):
            return False
        for slot, position in after.items():
            work[slot].reached = position
        return True

    async def _transact(self, work: Mapping[int, _Progress], events: list[PendingEvent] | None, *, isolate: bool) -> list[int]:
        before = {slot: progress.checkpoint for slot, progress in work.items()}
        async with self._database.transaction() as connection:
            await connection.execute(RELAXED)
            if events is None:
                events = await pending(connection, before, EVENTS_PER_SLOT)
            after = {event.slot: event.slot_pos for event in events}
            await move(connection, self._name, before, after)
            await self._applier.apply(connection, events, isolate=isolate)
        self._applier.committed()
        for slot, position in after.items():
            work[slot].checkpoint = work[slot].reached = position
        self.applied_events += len(events)
        return _unfinished(events)

    async def _somebody_else_works(self, work: Mapping[int, _Progress]) -> bool:
        """Read where the checkpoints are now; whether one was moved of a slot that is still open here."""
        async with self._database.transaction() as connection:
            found = await positions(connection, self._name, work)
        moved = [slot for slot, progress in work.items() if progress.checkpoint != found[slot]]
        for slot in moved:
            work[slot].checkpoint = work[slot].reached = found[slot]
        return any(self._slots.get(slot) is work[slot] for slot in moved)

    def _crashed(self, name: str, error: BaseException) -> None:
        """No failure ends a projection for good; it goes on where its checkpoint stands."""
        self._on_trouble(f"{name} failed, starting it again: {type(error).__name__}: {explain(error)}")
        self._tasks.start(name, self._run_later())

    async def _run_later(self) -> None:
        await pause(LONGEST_PAUSE_S)
        await self._run()


def _unfinished(events: Iterable[PendingEvent]) -> list[int]:
    """The slots of a round that may have more than it took."""
    return [slot for slot, count in Counter(event.slot for event in events).items() if count >= EVENTS_PER_SLOT]
