"""What the cluster core needs of the world: ports with their duties.

The real ones are on Redis and PostgreSQL, the kit's are simulated; a differential test
keeps the two alike.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from commonroom.engine.address import Address
from commonroom.engine.cluster.member import Member, View
from commonroom.storage.slot_table import SlotOwner

__all__ = ["Coordination", "Landing", "Neighbours", "SlotTable", "Steering", "Transport", "TransportEvents"]


class SlotTable(Protocol):
    """Who owns what: the authority, in PostgreSQL."""

    async def read(self) -> Sequence[SlotOwner]:
        """All rows, of one moment.

        Raises:
            Unavailable: the database does not answer.
        """
        ...

    async def move(self, slots: Mapping[int, int], owner: str | None) -> Mapping[int, int]:
        """Compare and set: of `slots` (slot → the epoch it was seen at), those that still are at that
        epoch get `owner` and epoch + 1. A claim and a hand-off are the same call.

        When this returns, every write of an older epoch has committed or never will.

        Returns: slot → new epoch, for those that moved.

        Raises:
            Unavailable: the database does not answer; the outcome is unknown.
        """
        ...


class Coordination(Protocol):
    """Membership, in one store that may vanish at any moment (Redis)."""

    async def beat(self, member: Member, view: View) -> View:
        """Extend our life, end that of the expired, learn who lives: one atomic step.

        `view` is what we know; where its version is still right, its members are kept.

        Raises:
            Unavailable: no answer within 0.5 s; whether it took effect is unknown.
        """
        ...

    async def leave(self, member: str) -> None:
        """End a life that is over by its own will. Raises Unavailable."""
        ...

    async def expel(self, member: str) -> bool:
        """End the life of a member that is proven dead; False within a quiet period. Raises Unavailable."""
        ...

    async def note_slots(self) -> None:
        """Ownership changed: `slots_version` grows. Raises Unavailable."""
        ...


class TransportEvents(Protocol):
    """What a transport tells its user, on the loop."""

    def received(self, data: bytes) -> None:
        """One parcel that was sent to us. Order of one sender is kept while nothing is lost; loss and repeats are possible."""
        ...

    def interrupted(self) -> None:
        """What was sent to us lately may be lost: we listened to nothing for a while."""
        ...

    def nudged(self) -> None:
        """Membership or ownership changed: beat now rather than at the next interval."""
        ...


class Transport(Protocol):
    """Parcels from node to node, at most once."""

    async def open(self, me: str, events: TransportEvents) -> None:
        """Listen as `me`. Returns once parcels to `me` arrive. Raises Unavailable."""
        ...

    def send(self, to: str, parcel: bytes) -> bool:
        """Hand over a parcel; False: it was dropped here, and the caller hears it at once. Never blocks, never queues without bound."""
        ...

    def nudge(self) -> None:
        """Have every node's `nudged` called, best effort."""
        ...

    async def close(self) -> None: ...


class Neighbours(Protocol):
    """Proof of death among the nodes of one machine, for one incarnation."""

    @property
    def path(self) -> str:
        """Our socket, for `Member.socket`."""
        ...

    async def open(self) -> None:
        """Listen: before the first beat, for others take a refused connection for our death. Raises ConfigError."""
        ...

    def watch(self, members: Mapping[str, Member], on_dead: Callable[[str], None]) -> None:
        """Hold a connection to each member of this machine; `on_dead(id)`, once, when one is refused."""
        ...

    async def close(self) -> None: ...


class Landing(Protocol):
    """The gateway, for sockets that another node of this machine has accepted."""

    def wants(self, address: Address) -> bool:
        """Whether a socket for this room is well placed here."""
        ...

    def take(self, accepted: socket.socket, data: bytes) -> None:
        """Serve it, wanted or not, and close it. `data` was read from it: a whole request head, and what came behind."""
        ...


class Steering(Protocol):
    """Passes accepted sockets to other nodes of this machine, and takes theirs. One incarnation at a time.

    Never blocks and never queues; what it was given is served by exactly one node, unless that dies.
    """

    def open(self, me: str) -> None:
        """Begin, or go on as another incarnation. Raises ConfigError."""
        ...

    def pass_on(self, member: Member, address: Address, descriptor: int, data: bytes) -> bool:
        """Pass a TCP socket of which `data` has been read to `member`, for a room.

        True: it has it, and our descriptor is to be closed without a word. False: it is ours to serve.
        """
        ...

    def close(self) -> None:
        """Pass and take nothing more; what has come by now is served or goes back. Safe to call twice."""
        ...
