"""Drives one projection after the journal (DESIGN 4).

A round takes the slots that have news, reads their next events, moves their
checkpoints by compare-and-set and applies the events, all in one transaction. An
event that cannot be applied parks its stream, with an alarm; checkpoints move over
parked streams, so that a poisoned room never holds up its slot.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import asyncpg
import msgspec

from commonroom.errors import InternalError, Invalid, Unavailable
from commonroom.protocol.codec import decode_event
from commonroom.storage.fault import explain, is_statement_error
from commonroom.storage.pool import Connection, Database
from commonroom.storage.projection.checkpoint import (
    CheckpointMoved,
    PendingEvent,
    move,
    park,
    parked,
    parked_events,
    pending,
    positions,
    unpark,
)
from commonroom.storage.projection.projection import Projection, SlotEvent
from commonroom.tasks import TaskGroup, pause

__all__ = ["Follower"]

COALESCE_S = 0.01
"""Time for more commits to join a round; listings may lag a second, history reads do not lag at all."""
SLOTS_PER_ROUND = 64
EVENTS_PER_SLOT = 200
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

# Losing the last rounds in a crash is harmless: checkpoint and rows are lost together and done again.
RELAXED = "SET LOCAL synchronous_commit = off"

POISON = (Invalid, InternalError)
OUR_FAULT = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, msgspec.MsgspecError)


class Follower:
    """One projection over the slots this node owns.

    Args:
        on_trouble: called with one line for a parked stream and when the database is away.
    """

    def __init__(self, database: Database, projection: Projection, on_trouble: Callable[[str], None]) -> None:
        self._database = database
        self._projection = projection
        self._name = projection.name
        self._on_trouble = on_trouble
        self._positions: dict[int, int] = {}
        self._parked: set[str] = set()
        self._queued: dict[int, None] = {}
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = TaskGroup(self._crashed)
        self.applied_events = 0

    async def start(self, heads: Mapping[int, int]) -> None:
        """Catch up with `heads` (slot → last position), then follow.

        Streams parked before are tried again: a newer version may know what an older one did not.

        Raises:
            Unavailable: the database does not answer.
        """
        await self._read_positions(list(heads))
        for stream in tuple(self._parked):
            await self._retry_parked(stream)
        self.wake(*(slot for slot, head in heads.items() if head > self._positions[slot]))
        self._tasks.start(f"projection {self._name}", self._run())

    async def close(self) -> None:
        """Stop; what is not applied yet is applied after the next start."""
        await self._tasks.close()

    def wake(self, *slots: int) -> None:
        """These slots have news."""
        if slots:
            self._queued.update(dict.fromkeys(slots))
            self._idle.clear()
            self._news.set()

    def position(self, slot: int) -> int:
        """The slot position up to which this projection has come."""
        return self._positions.get(slot, 0)

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
        while self._queued:
            slots = list(self._queued)[:SLOTS_PER_ROUND]
            for slot in slots:
                del self._queued[slot]
            try:
                self._queued.update(dict.fromkeys(await self._round(slots)))
            except BaseException:
                self._queued.update(dict.fromkeys(slots))
                raise
        self._news.clear()
        self._idle.set()

    async def _round(self, slots: Sequence[int]) -> list[int]:
        """One transaction; the slots that may have more than it took."""
        before = {slot: self._positions[slot] for slot in slots}
        try:
            return await self._transact(before, isolate=False)
        except POISON:
            return await self._transact(before, isolate=True)
        except CheckpointMoved:
            await self._read_positions(list(self._positions))
            raise

    async def _transact(self, before: Mapping[int, int], *, isolate: bool) -> list[int]:
        async with self._database.transaction() as connection:
            await connection.execute(RELAXED)
            events = await pending(connection, before, EVENTS_PER_SLOT)
            after = {event.slot: event.slot_pos for event in events}
            await move(connection, self._name, before, after)
            newly_parked = await self._apply(connection, events, isolate=isolate)
        self._parked |= newly_parked
        self._positions.update(after)
        self.applied_events += len(events)
        return [slot for slot, count in Counter(event.slot for event in events).items() if count >= EVENTS_PER_SLOT]

    async def _apply(self, connection: Connection, events: Iterable[PendingEvent], *, isolate: bool) -> set[str]:
        """Apply to the streams that are not parked; the streams parked now."""
        wanted = [event for event in events if event.stream not in self._parked]
        newly: set[str] = set()
        if not isolate:
            await self._project(connection, wanted)
            return newly
        for event in wanted:
            if event.stream not in newly and not await self._try(connection, event):
                newly.add(event.stream)
        return newly

    async def _try(self, connection: Connection, event: PendingEvent) -> bool:
        """Apply one event in a savepoint; False where it is poison and its stream was parked."""
        try:
            async with connection.transaction():
                await self._project(connection, [event])
        except POISON as error:
            await park(connection, self._name, event, error.message)
            self._on_trouble(f"{self._name} parked {event.stream} at {event.offset}: {error}")
            return False
        return True

    async def _project(self, connection: Connection, events: Sequence[PendingEvent]) -> None:
        """Decode and apply.

        Raises:
            InternalError: one of the events is poison; the connection is well.
        """
        if not events:
            return
        try:
            await self._projection.apply(connection, [SlotEvent(one.stream, one.slot_pos, decode_event(one.payload)) for one in events])
        except asyncpg.PostgresError as error:
            if not is_statement_error(error):
                raise
            raise InternalError(f"refused: {explain(error)}") from error
        except OUR_FAULT as error:
            if connection.is_closed():  # R19: a dying connection looks like a fault of ours
                raise
            raise InternalError(f"{type(error).__name__}: {explain(error)}") from error

    async def _retry_parked(self, stream: str) -> None:
        try:
            async with self._database.transaction() as connection:
                await self._project(connection, await parked_events(connection, self._name, stream))
                await unpark(connection, self._name, stream)
        except POISON as error:
            self._on_trouble(f"{self._name} still cannot apply {stream}: {error}")
            return
        self._parked.discard(stream)

    async def _read_positions(self, slots: Sequence[int]) -> None:
        async with self._database.transaction() as connection:
            self._positions = await positions(connection, self._name, slots)
            self._parked = await parked(connection, self._name)

    def _crashed(self, name: str, error: BaseException) -> None:
        """No failure ends a projection for good; it goes on where its checkpoint stands."""
        self._on_trouble(f"{name} failed, starting it again: {type(error).__name__}: {explain(error)}")
        self._tasks.start(name, self._run_later())

    async def _run_later(self) -> None:
        await pause(LONGEST_PAUSE_S)
        await self._run()
