"""Commands from gateways of other nodes for the actors of this one: the owner's windows, by slot."""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from commonroom.engine.address import Address, address_named, slot_of_address
from commonroom.engine.cluster.call import CallId, expects_answer, pack_admitted, pack_refused, pack_replied, unpack_call
from commonroom.engine.cluster.follower import Followers
from commonroom.engine.cluster.link import Links
from commonroom.engine.cluster.window import Intake
from commonroom.engine.cluster.wire import Again, Answer, Call, Done, Moved, Taken
from commonroom.engine.envelope import Admission, Attach, Detach, Envelope
from commonroom.errors import CommonroomError, InternalError
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.wire import ServerMessage

__all__ = ["Holding", "Incoming", "IncomingStats", "RemoteOrigin"]

MAX_EARLY = 2000
"""Calls of a slot that is about to open here."""


class IncomingStats(Struct):
    """Counts since the start."""

    calls: int = 0
    repeated: int = 0
    missed: int = 0
    misplaced: int = 0


class Holding(Protocol):
    """What this node knows of the slots."""

    def epoch_here(self, slot: int) -> int:
        """Its epoch if it is open here, else 0."""
        ...

    def known(self, slot: int) -> tuple[int, str | None]:
        """Epoch and owner, the latest heard of."""
        ...

    def outrun(self) -> None:
        """Somebody knows a later epoch than we do."""
        ...


class RemoteOrigin:
    """The gateway behind a call: answers go back over the link, and are kept until it has them."""

    __slots__ = ("_gateway", "_id", "_incoming", "_intake", "_session")

    def __init__(self, incoming: "Incoming", gateway: str, intake: Intake, call: Call) -> None:
        self._incoming = incoming
        self._gateway = gateway
        self._intake = intake
        self._id: CallId = (call.address, call.window, call.seq)
        self._session = call.session

    def replied(self, ref: int, message: ServerMessage) -> None:
        self._send(pack_replied(self._id, ref, message))

    def refused(self, ref: int, error: CommonroomError) -> None:
        self._send(pack_refused(self._id, ref, error))

    def admitted(self, ref: int, admission: Admission) -> None:
        self._send(pack_admitted(self._id, ref, admission))

    def _send(self, answer: Answer) -> None:
        self._intake.keep(answer)
        self._incoming.links.send(self._gateway, answer)


class Incoming:
    """All intakes of this node.

    Args:
        deliver: hands an envelope to the actor host.
        soon: the loop's `call_soon`.
    """

    def __init__(
        self,
        links: Links,
        followers: Followers,
        holding: Holding,
        *,
        deliver: Callable[[Envelope], None],
        soon: Callable[..., Any],
        stats: IncomingStats,
    ) -> None:
        self.links = links
        self._followers = followers
        self._holding = holding
        self._deliver = deliver
        self._soon = soon
        self._stats = stats
        self._intakes: dict[int, dict[tuple[str, Address], Intake]] = {}
        self._early: dict[int, deque[tuple[str, Call]]] = {}
        self._unacked: dict[tuple[str, str], Intake] = {}

    def called(self, gateway: str, call: Call) -> None:
        """A call arrives."""
        address = address_named(call.address)
        slot = slot_of_address(address)
        here = self._holding.epoch_here(slot)
        if here and call.epoch == here:
            self._take(gateway, address, slot, call)
        elif call.epoch > self._holding.known(slot)[0]:
            self._hold(gateway, slot, call)
            self._holding.outrun()
        elif call.epoch == self._holding.known(slot)[0] and self._holding.known(slot)[1] == self.links.me:
            self._hold(gateway, slot, call)
        else:
            self._redirect(gateway, slot)

    def opened(self, slot: int) -> None:
        """The slot is open: what came too early."""
        for gateway, call in self._early.pop(slot, ()):
            self.called(gateway, call)

    def closed(self, slot: int) -> None:
        """The slot is another node's; its gateways send what they have there."""
        self._early.pop(slot, None)
        self._intakes.pop(slot, None)

    def done(self, gateway: str, done: Done) -> None:
        """A window is over."""
        address = address_named(done.address)
        intakes = self._intakes.get(slot_of_address(address), {})
        intake = intakes.get((gateway, address))
        if intake is not None and intake.number == done.window:
            del intakes[gateway, address]

    def reset(self) -> None:
        """We are another incarnation."""
        self._intakes.clear()
        self._early.clear()
        self._unacked.clear()

    def gone(self, gateway: str) -> None:
        """The gateway is dead."""
        for slot, early in self._early.items():
            self._early[slot] = deque(one for one in early if one[0] != gateway)
        for intakes in self._intakes.values():
            for key in [key for key in intakes if key[0] == gateway]:
                del intakes[key]

    # -- inside ------------------------------------------------------------------------

    def _take(self, gateway: str, address: Address, slot: int, call: Call) -> None:
        intake = self._intake(gateway, address, slot, call)
        if intake is None:
            return
        if intake.takes(call):
            self._stats.calls += 1
            self._accept(gateway, address, intake, call)
        elif intake.misses(call):
            self._stats.missed += 1
            if not intake.asked:
                intake.asked = True
                self.links.send(gateway, Again(call.address, call.window))
        else:
            self._stats.repeated += 1
            self._acknowledge(gateway, call.address, intake)
            if (answer := intake.answer(call.seq)) is not None:
                self.links.send(gateway, answer)

    def _intake(self, gateway: str, address: Address, slot: int, call: Call) -> Intake | None:
        """The intake of the call's window, made if the window is new; None: the window is over."""
        intakes = self._intakes.setdefault(slot, {})
        intake = intakes.get((gateway, address))
        if intake is None or call.window > intake.number:
            intake = intakes[gateway, address] = Intake(call.window, call.done)
        return intake if call.window == intake.number else None

    def _accept(self, gateway: str, address: Address, intake: Intake, call: Call) -> None:
        origin = RemoteOrigin(self, gateway, intake, call)
        try:
            envelope = unpack_call(call, origin)
        except CommonroomError as error:
            origin.refused(0, error if isinstance(error, InternalError) else InternalError("the call cannot be read"))
            return
        if not expects_answer(envelope):
            self._acknowledge(gateway, call.address, intake)
        if call.session is not None:
            kind = type(envelope.command)
            if kind is RoomJoin or kind is Attach:
                self._followers.joined(address, gateway, call.session)
            elif kind is Detach:
                self._followers.left(address, gateway, call.session)
        self._deliver(envelope)

    def _hold(self, gateway: str, slot: int, call: Call) -> None:
        early = self._early.setdefault(slot, deque())
        if len(early) < MAX_EARLY:
            early.append((gateway, call))
        else:
            self.links.suspect(gateway)  # it sends all again once the link is whole

    def _redirect(self, gateway: str, slot: int) -> None:
        self._stats.misplaced += 1
        epoch, owner = self._holding.known(slot)
        if owner is not None:
            self.links.send(gateway, Moved([(slot, epoch, owner)]))

    def _acknowledge(self, gateway: str, address: str, intake: Intake) -> None:
        """Once a turn, whatever was taken in it."""
        if not self._unacked:
            self._soon(self._send_taken)
        self._unacked[gateway, address] = intake

    def _send_taken(self) -> None:
        unacked, self._unacked = self._unacked, {}
        for (gateway, address), intake in unacked.items():
            self.links.send(gateway, Taken(address, intake.number, intake.upto))
