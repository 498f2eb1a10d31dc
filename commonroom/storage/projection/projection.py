"""What a projection is: a name, and how it applies a batch of one slot's events."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from commonroom.protocol.wire import DurablePush
from commonroom.storage.pool import Connection

__all__ = ["Projection", "SlotEvent"]


class SlotEvent(NamedTuple):
    """An event of a slot, in slot order."""

    stream: str
    slot_pos: int
    event: DurablePush


class Projection(Protocol):
    """Derives rows. Applied once an event, in slot order, in the transaction that moves the checkpoint."""

    name: str

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """Write what follows from the events. Raises what the database raises."""
        ...
