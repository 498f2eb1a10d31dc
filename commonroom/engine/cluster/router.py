"""Where a command goes: to an actor here, to the node that has it, or to a queue until somebody does.

One function a slot, set by `Ownership` through `Switch`, so that a command for an actor of
this node costs one look-up more than on a node that is alone.

When a slot changes hands, what was not answered follows it, oldest first, behind the
announcement of who follows its actors from here: parked commands, those under way to the
old owner, those an instance here had not answered (I5). Effects are refused instead: they
are sent again by their key, and the slot they come from may wait for them to be handed over.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, Protocol

from msgspec import Struct

from commonroom.engine.address import SLOTS, Address, slot_of_address
from commonroom.engine.cluster.incoming import RemoteOrigin
from commonroom.engine.cluster.outgoing import Outgoing
from commonroom.engine.cluster.relay import OwnersWord
from commonroom.engine.cluster.window import ANNOUNCEMENTS
from commonroom.engine.envelope import Envelope
from commonroom.engine.local import Asker
from commonroom.engine.mailbox import SIGNALS
from commonroom.errors import CommonroomError, Unavailable

__all__ = ["Arrivals", "ClusterRouter", "RouterStats"]

MAX_PARKED: Final = 512
"""Commands of one slot that wait for an owner."""

PATIENCE_S: Final = 3.0
"""So long a command waits for an owner before its sender hears RETRY."""

RETRY_MS: Final = 500


class RouterStats(Struct):
    """Counts since the start."""

    parked: int = 0
    expired: int = 0


class Arrivals(Protocol):
    """Who tells the actors of a slot that it arrived where it is now."""

    def announce_here(self, addresses: Iterable[Address]) -> None:
        """These live here now, and sessions here follow them."""
        ...

    def announce_to(self, member: str, addresses: Iterable[Address]) -> None:
        """These live there now."""
        ...

    def followed_in(self, slots: Iterable[int]) -> Iterable[Address]:
        """All that sessions here follow of these slots."""
        ...


class ClusterRouter(Asker):
    """Implements `Router`.

    Args:
        deliver: the actor host's.
        monotonic: seconds.
    """

    def __init__(
        self,
        deliver: Callable[[Envelope], None],
        outgoing: Outgoing,
        arrivals: Arrivals,
        monotonic: Callable[[], float],
    ) -> None:
        self.stats = RouterStats()
        self._deliver = deliver
        self._outgoing = outgoing
        self._arrivals = arrivals
        self._monotonic = monotonic
        self._parked: dict[int, deque[tuple[float, Envelope]]] = {}
        self._routes: list[Callable[[Envelope], None]] = [self._park] * SLOTS
        self._members: list[str | None] = [None] * SLOTS

    def send(self, envelope: Envelope) -> None:
        self._routes[slot_of_address(envelope.address)](envelope)

    def member_of(self, address: Address) -> str | None:
        """The other node that has the address; None: this one, or nobody."""
        return self._members[slot_of_address(address)]

    def slots_of(self, member: str) -> list[int]:
        """All that another node has. About 20 µs."""
        return [slot for slot, one in enumerate(self._members) if one == member]

    @property
    def parked(self) -> int:
        """Commands that wait for an owner."""
        return sum(map(len, self._parked.values()))

    # -- changes of hands ------------------------------------------------------------

    def to_here(self, slots: Iterable[int]) -> None:
        """The host serves them."""
        left = self._gather(slots)
        for slot in left:
            self._routes[slot] = self._deliver
            self._members[slot] = None
        self._arrivals.announce_here(self._arrivals.followed_in(left))
        self._send_on(left)

    def to_member(self, slots: Mapping[int, int], member: str) -> None:
        """Another node serves them, at these epochs."""
        left = self._gather(slots)
        for slot, epoch in slots.items():
            self._routes[slot] = partial(self._outgoing.send, slot, epoch, member)
            self._members[slot] = member
        self._arrivals.announce_to(member, self._arrivals.followed_in(left))
        self._send_on(left)

    def to_nobody(self, slots: Iterable[int]) -> None:
        """Commands wait."""
        for slot, left in self._gather(slots).items():
            self._routes[slot] = self._park
            self._members[slot] = None
            for envelope in left:
                self._park(envelope)

    def take_back(self, envelopes: Iterable[Envelope]) -> None:
        """An actor here did not answer these: they wait for its next owner, before all that came later.

        Commands of other gateways are dropped: their windows have them still. So is what we said as owner. Effects are refused.
        """
        now_s = self._monotonic()
        back: dict[int, list[tuple[float, Envelope]]] = {}
        for envelope in envelopes:
            if type(envelope.command) in ANNOUNCEMENTS or isinstance(envelope.origin, RemoteOrigin | OwnersWord):
                continue
            if envelope.key is not None:
                self.refuse(envelope, _on_its_way())
            else:
                back.setdefault(slot_of_address(envelope.address), []).append((now_s, envelope))
        for slot, older in back.items():
            self._parked.setdefault(slot, deque()).extendleft(reversed(older))

    def expire(self) -> None:
        """Answer RETRY to what has waited too long."""
        before_s = self._monotonic() - PATIENCE_S
        for slot, parked in list(self._parked.items()):
            while parked and parked[0][0] < before_s:
                self.stats.expired += 1
                self.refuse(parked.popleft()[1], _on_its_way())
            if not parked:
                del self._parked[slot]

    @staticmethod
    def refuse(envelope: Envelope, error: CommonroomError) -> None:
        """Answer an envelope that goes nowhere. Signals are not refused: they are made anew."""
        if envelope.origin is not None and type(envelope.command) not in SIGNALS:
            envelope.origin.refused(getattr(envelope.command, "ref", 0), error)

    # -- inside ------------------------------------------------------------------------

    def _park(self, envelope: Envelope) -> None:
        if type(envelope.command) in ANNOUNCEMENTS:
            return
        parked = self._parked.setdefault(slot_of_address(envelope.address), deque())
        if envelope.key is not None or (len(parked) >= MAX_PARKED and type(envelope.command) not in SIGNALS):
            self.refuse(envelope, _on_its_way())
            return
        self.stats.parked += 1
        parked.append((self._monotonic(), envelope))

    def _gather(self, slots: Iterable[int]) -> dict[int, list[Envelope]]:
        """What was not answered, by slot, oldest first: under way to another node, then parked."""
        left: dict[int, list[Envelope]] = {}
        for slot in slots:
            under_way = [one for one in self._outgoing.withdraw(slot) if type(one.command) not in ANNOUNCEMENTS]
            left[slot] = under_way + [envelope for _, envelope in self._parked.pop(slot, ())]
        return left

    def _send_on(self, left: Mapping[int, list[Envelope]]) -> None:
        for slot, envelopes in left.items():
            route = self._routes[slot]
            for envelope in envelopes:
                route(envelope)


def _on_its_way() -> Unavailable:
    return Unavailable("the room is on its way to another server", retry_after_ms=RETRY_MS)
