"""What a projection is: a name, and how it applies a batch of events."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from commonroom.protocol.wire import DurablePush
from commonroom.storage.pool import Connection

__all__ = ["Projection", "SlotEvent", "Telling"]


class SlotEvent(NamedTuple):
    """An event of a slot, in slot order.

    Attributes:
        private: what the actor keeps about it, see `engine/private.py`.
    """

    stream: str
    slot_pos: int
    event: DurablePush
    private: bytes | None = None


class Projection(Protocol):
    """Derives rows. Applied once an event, in slot order, in the transaction that moves the checkpoint."""

    name: str
    wants: frozenset[int]
    """Tags of the events it derives anything from; others are not shown to it."""

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """Write what follows from the events; they may be of several slots.

        Raises what the database raises. An event whose statement the server refuses, or
        on which this fails in another way with the connection alive, is poison: its
        stream is parked.
        """
        ...


@runtime_checkable
class Telling(Protocol):
    """A projection that tells of its rows once others can read them."""

    def applied(self, events: Sequence[SlotEvent]) -> None:
        """What was applied last is committed. Best effort: a crash in between loses it. Must not raise."""
        ...
