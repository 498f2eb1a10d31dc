"""Runs the projections of this node's slots, woken by commits.

A slot with new events is in the queue once, whatever it missed meanwhile. A batch is one
transaction: the rows, and the checkpoint by compare-and-set, so that two runners (a former
owner's and ours) cannot both apply it. A stream whose event cannot be applied is parked
with an alarm and passed over, so that it blocks nobody (DESIGN 4).
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from commonroom.errors import CommonroomError, InternalError, Invalid, Unavailable
from commonroom.protocol.codec import decode_event
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.pool import Connection, Database, Record
from commonroom.storage.projection.projection import Projection, SlotEvent
from commonroom.tasks import TaskGroup, pause

__all__ = ["ProjectionRunner"]

BATCH = 500
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

CHECKPOINTS = "SELECT projection, slot, slot_pos FROM checkpoint"
EVENTS = """
SELECT e.stream, e."offset", e.slot_pos, e.payload FROM event e
WHERE e.slot = $1 AND e.slot_pos > $2
AND NOT EXISTS (SELECT FROM parked p WHERE p.projection = $3 AND p.stream = e.stream)
ORDER BY e.slot_pos LIMIT $4
"""
MOVE = """
INSERT INTO checkpoint (projection, slot, slot_pos) VALUES ($1, $2, $4)
ON CONFLICT (projection, slot) DO UPDATE SET slot_pos = EXCLUDED.slot_pos WHERE checkpoint.slot_pos = $3
RETURNING slot_pos
"""
PARK = 'INSERT INTO parked (projection, stream, "offset", reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING'


class _Poisoned(Exception):
    """An event of this stream cannot be applied."""

    def __init__(self, stream: str, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.stream = stream
        self.offset = offset
        self.reason = reason


class ProjectionRunner:
    """All projections of a node, one slot at a time.

    Args:
        on_trouble: called with one line for the log.
    """

    def __init__(
        self, database: Database, journal: PostgresJournal, projections: Sequence[Projection], on_trouble: Callable[[str], None]
    ) -> None:
        self._database = database
        self._journal = journal
        self._projections = projections
        self._on_trouble = on_trouble
        self._positions: dict[tuple[str, int], int] = {}
        self._queued: dict[int, None] = {}
        self._wakened = asyncio.Event()
        self._idle = asyncio.Event()
        self._tasks = TaskGroup(lambda name, error: on_trouble(f"{name} ended: {type(error).__name__}: {error}"))
        self.applied_events = 0

    async def start(self) -> None:
        """Catch up with what was committed before, then follow.

        Raises:
            Unavailable: the database does not answer.
        """
        for row in await self._database.fetch(CHECKPOINTS):
            self._positions[row["projection"], row["slot"]] = row["slot_pos"]
        self._journal.watch(self.wake, self.position)
        for slot in self._journal.slots:
            if self.position(slot) < self._journal.position(slot):
                self.wake(slot)
        self._tasks.start("projections", self._run())

    async def close(self) -> None:
        """Stop; what was not applied is applied at the next start."""
        await self._tasks.close()

    async def caught_up(self) -> None:
        """Wait until nothing is queued, for tests and backups."""
        while self._queued or not self._idle.is_set():
            await self._idle.wait()

    def position(self, slot: int) -> int:
        """The slot position up to which the slowest projection has come."""
        return min(self._positions.get((projection.name, slot), 0) for projection in self._projections)

    @property
    def queued_slots(self) -> int:
        """Slots with events to apply."""
        return len(self._queued)

    def wake(self, slot: int) -> None:
        """Look at the slot again: events of it may be new."""
        self._queued[slot] = None
        self._idle.clear()
        self._wakened.set()

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            while not self._queued:
                self._wakened.clear()
                self._idle.set()
                await self._wakened.wait()
            slot = next(iter(self._queued))
            del self._queued[slot]
            try:
                await self._slot(slot)
                pause_s = FIRST_PAUSE_S
            except CommonroomError as error:
                self._on_trouble(f"projections of slot {slot} wait {pause_s:.2f} s: {error.message}")
                self.wake(slot)
                await pause(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _slot(self, slot: int) -> None:
        for projection in self._projections:
            while self._positions.get((projection.name, slot), 0) < self._journal.position(slot):
                if not await self._batch(projection, slot):
                    break

    async def _batch(self, projection: Projection, slot: int) -> bool:
        """Apply a batch; False when there is nothing to apply."""
        before = self._positions.get((projection.name, slot), 0)
        rows = await self._database.fetch(EVENTS, slot, before, projection.name, BATCH)
        if not rows:
            return False
        try:
            events = [_decoded(row) for row in rows]
            after = await self._apply(projection, slot, before, events)
        except _Poisoned as poison:
            await self._park(projection, poison)
        except (Invalid, InternalError) as error:
            await self._one_by_one(projection, slot, before, events, error)
        else:
            self._positions[projection.name, slot] = after
            self.applied_events += len(events)
        return True

    async def _apply(self, projection: Projection, slot: int, before: int, events: Sequence[SlotEvent]) -> int:
        """One transaction; the new checkpoint.

        Raises:
            Unavailable: the checkpoint was not where we left it, or the database does not answer.
        """
        after = events[-1].slot_pos
        async with self._database.transaction() as connection:
            await self._move(connection, projection.name, slot, before, after)
            await projection.apply(connection, events)
        return after

    async def _move(self, connection: Connection, name: str, slot: int, before: int, after: int) -> None:
        if await connection.fetchval(MOVE, name, slot, before, after) is not None:
            return
        self._positions[name, slot] = await connection.fetchval(
            "SELECT slot_pos FROM checkpoint WHERE projection = $1 AND slot = $2", name, slot
        )
        raise Unavailable(f"the checkpoint of {name} was moved by somebody else")

    async def _one_by_one(
        self, projection: Projection, slot: int, before: int, events: Sequence[SlotEvent], cause: CommonroomError
    ) -> None:
        """A batch was refused: find the guilty event and park its stream; the others are applied."""
        for one in events:
            try:
                before = await self._apply(projection, slot, before, [one])
            except (Invalid, InternalError):
                await self._park(projection, _Poisoned(one.stream, one.event.offset, cause.message))
                return
            self._positions[projection.name, slot] = before
            self.applied_events += 1

    async def _park(self, projection: Projection, poison: _Poisoned) -> None:
        self._on_trouble(f"{projection.name} parked {poison.stream} at {poison.offset}: {poison.reason}")
        await self._database.execute(PARK, projection.name, poison.stream, poison.offset, poison.reason)


def _decoded(row: Record) -> SlotEvent:
    try:
        return SlotEvent(row["stream"], row["slot_pos"], decode_event(row["payload"]))
    except msgspec.DecodeError as error:
        raise _Poisoned(row["stream"], row["offset"], f"not a known event: {error}") from None
