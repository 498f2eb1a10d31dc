"""A client's place in one room: what it has of it, checked push by push (I6)."""

from commonroom.protocol.room import Joined
from commonroom.protocol.wire import StreamPosition
from tests.chaos.ledger import Ledger

__all__ = ["Ask", "Place"]

REPLAYED = 2000
"""Events that a resume replays; only older ones may become a gap."""


class Ask:
    """One join on its way: when it was asked, and what the client had then (None: nothing)."""

    __slots__ = ("asked_s", "resume")

    def __init__(self, asked_s: float, resume: int | None) -> None:
        self.asked_s = asked_s
        self.resume = resume


class Place:
    """Invariant: what arrives on one subscription counts on from where its join said, by one.

    Attributes:
        position: the last offset the client has; None before its first join.
        joined: whether it is in the room, as far as it was told.
        ask_s: when to ask (again) for a join.
    """

    def __init__(self, who: str, room: str, ledger: Ledger) -> None:
        self.room = room
        self.position: int | None = None
        self.joined = False
        self.ask_s = 0.0
        self.hello: Ask | None = None
        self._who = who
        self._ledger = ledger
        self._next = 0

    def resume(self, history: int) -> StreamPosition | None:
        return None if self.position is None else StreamPosition(history, self.position)

    def away(self) -> None:
        """The subscription is over."""
        self.joined = False
        self.ask_s = 0.0
        self.hello = None

    def admitted(self, answer: Joined, ask: Ask) -> None:
        head = answer.position.offset
        self._ledger.counts[f"joins {answer.recovery}"] += 1
        self._ledger.check_snapshot(self._who, self.room, ask.asked_s, head)
        if answer.recovery in {"gap", "reset"} and ask.resume is not None and head - ask.resume <= REPLAYED:
            self._ledger.fail(f"I6: {self._who} at {ask.resume} of {self.room} was answered {answer.recovery} at {head}")
        if ask.resume is not None and head < ask.resume:
            self._ledger.fail(f"I6: {self._who} had {ask.resume} of {self.room} and was admitted at {head}")
        after = ask.resume if answer.recovery == "recovered" else answer.gap.last if answer.gap else head
        self._next = (head if after is None else after) + 1
        self.position = max(self.position or 0, self._next - 1)
        self.joined = True

    def pushed(self, offset: int) -> None:
        """A durable event, or the skip in its place."""
        if offset != self._next:
            self._ledger.fail(f"I6: {self._who} got {offset} of {self.room} instead of {self._next}")
        self._next = offset + 1
        self.position = max(self.position or 0, offset)

    def beat(self, head: int) -> None:
        """A heartbeat's head: what it names was written to this very socket before."""
        if self.joined and head > (self.position or 0):
            self._ledger.fail(f"I6: {self._who} is at {self.position} of {self.room} where the heartbeat says {head}")
