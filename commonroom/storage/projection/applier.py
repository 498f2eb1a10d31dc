"""Applies events by one projection, and parks the streams it cannot apply.

An event is poison when its statement is refused, or the projection fails on it in another
way while the connection is alive. Its stream is passed over from then on, with an alarm.
"""

from collections.abc import Callable, Iterable, Sequence

import asyncpg
import msgspec

from commonroom.errors import InternalError, Invalid
from commonroom.protocol.codec import EVENT_TAGS, decode_event, event_tag
from commonroom.storage.fault import explain, is_statement_error
from commonroom.storage.pool import Connection, Database
from commonroom.storage.projection.checkpoint import PendingEvent, park, parked, parked_events, unpark
from commonroom.storage.projection.projection import Projection, SlotEvent, Telling

__all__ = ["POISON", "Applier"]

POISON = (Invalid, InternalError)
OUR_FAULT = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, msgspec.MsgspecError)


class Applier:
    """One projection's way to the rows.

    Args:
        on_trouble: called with one line for a parked stream.
    """

    def __init__(self, database: Database, projection: Projection, on_trouble: Callable[[str], None]) -> None:
        self._database = database
        self._projection = projection
        self._name = projection.name
        self._ignored = EVENT_TAGS - projection.wants
        self._on_trouble = on_trouble
        self._tell = projection.applied if isinstance(projection, Telling) else None
        self._untold: list[SlotEvent] = []

    def matters(self, event: PendingEvent) -> bool:
        """Whether it is wanted, or unknown: then it is for a newer version, and poison to this one."""
        return event_tag(event.payload) not in self._ignored

    async def apply(self, connection: Connection, events: Iterable[PendingEvent], *, isolate: bool) -> None:
        """Apply to the streams that are not parked, in the transaction that has moved the checkpoints.

        Args:
            isolate: one by one, parking the streams of those that are poison.

        Raises:
            InternalError, Invalid: not isolated, and one of the events is poison; roll back.
        """
        self._untold.clear()
        wanted = [event for event in events if self.matters(event)]
        if not wanted:
            return
        out = await parked(connection, self._name, {event.stream for event in wanted})
        if not isolate:
            await self._project(connection, [event for event in wanted if event.stream not in out])
            return
        for event in wanted:
            if event.stream not in out and not await self._try(connection, event):
                out.add(event.stream)

    def committed(self) -> None:
        """What was applied last is there for all to read."""
        if self._tell is not None and self._untold:
            self._tell(self._untold)

    async def _try(self, connection: Connection, event: PendingEvent) -> bool:
        """Apply one event in a savepoint; False where it is poison and its stream was parked."""
        try:
            async with connection.transaction():
                await self._project(connection, [event])
        except POISON as error:
            await park(connection, self._name, event, str(error))
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
            decoded = [SlotEvent(one.stream, one.slot_pos, decode_event(one.payload), one.private) for one in events]
            await self._projection.apply(connection, decoded)
            if self._tell is not None:
                self._untold += decoded
        except asyncpg.PostgresError as error:
            if not is_statement_error(error):
                raise
            raise InternalError(f"refused: {explain(error)}") from error
        except OUR_FAULT as error:
            if connection.is_closed():  # R19: a dying connection looks like a fault of ours
                raise
            raise InternalError(f"{type(error).__name__}: {explain(error)}") from error

    async def retry(self, stream: str) -> None:
        """Apply what was passed over of a parked stream, once, whoever else tries it too; it stays parked if that fails.

        Raises:
            Unavailable: the database does not answer.
        """
        try:
            async with self._database.transaction() as connection:
                self._untold.clear()
                await self._project(connection, await parked_events(connection, self._name, stream))
                await unpark(connection, self._name, stream)
            self.committed()
        except POISON as error:
            self._on_trouble(f"{self._name} still cannot apply {stream}: {error}")
