"""What all clients of a run have seen together, checked while it happens."""

from bisect import bisect_right
from collections import Counter, defaultdict

from msgspec.structs import replace

from commonroom.clock import monotonic_s
from commonroom.protocol.chat import MessageCreate, MessageUpdate
from commonroom.protocol.wire import DurablePush

__all__ = ["Ledger", "Line", "same_event"]

MOST_FAILURES = 200
STALE_S = 6.0
"""A node's TTL and a second: nobody may be shown a room as it was longer ago (I8)."""


class Line:
    """A durable command of one client, kept until it is answered."""

    __slots__ = ("acked_s", "first_s", "kind", "nonce", "offset", "order", "refused", "room", "sent_s", "socket", "target", "tries")

    def __init__(self, room: str, nonce: str, kind: str = "message.send", target: int = 0) -> None:
        self.room = room
        self.nonce = nonce
        self.kind = kind
        self.target = target
        self.order = 0
        self.tries = 0
        self.socket = 0
        """Of its client's sockets, the one it was sent on first."""
        self.refused = False
        """It was asked to be sent again, so what followed it may have passed it."""
        self.first_s = self.sent_s = 0.0
        self.acked_s: float | None = None
        self.offset: int | None = None
        """Of the answer; 0 where the command changed nothing."""


def same_event(one: DurablePush, other: DurablePush) -> bool:
    """Whether they are one event, seen before or after its message was deleted."""
    return one == other or _contentless(one) == _contentless(other)


def _contentless(event: DurablePush) -> DurablePush:
    if isinstance(event, MessageCreate | MessageUpdate):
        return replace(event, text="", deleted=True)
    return event


class Ledger:
    """Shared by everything of a run. `failures` are broken promises, in words."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.shown: dict[str, dict[int, DurablePush]] = defaultdict(dict)
        self.longest_wait_s = 0.0
        self._heads: dict[str, tuple[list[float], list[int]]] = defaultdict(lambda: ([], []))

    def now(self) -> float:
        """Seconds of an arbitrary origin."""
        return monotonic_s()

    def fail(self, what: str) -> None:
        self.counts["failures"] += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(what)

    def acked(self, line: Line, offset: int) -> None:
        line.acked_s, line.offset = self.now(), offset
        self.counts["acked"] += 1
        self.longest_wait_s = max(self.longest_wait_s, line.acked_s - line.first_s)
        self._note_head(line.room, offset)

    def saw(self, who: str, event: DurablePush) -> None:
        """Everybody is shown the same event at an offset."""
        self.counts["shown"] += 1
        first = self.shown[event.room].setdefault(event.offset, event)
        if first is not event and not same_event(first, event):
            self.fail(f"I2: {who} was shown {event} where others were shown {first}")
        self._note_head(event.room, event.offset)

    def check_snapshot(self, who: str, room: str, asked_s: float, offset: int) -> None:
        """A join shows at least what had been seen a TTL and a second before it was asked for (I8)."""
        times, heads = self._heads[room]
        place = bisect_right(times, asked_s - STALE_S)
        if place and offset < heads[place - 1]:
            self.fail(f"I8: {who} was shown {room} at {offset}; {heads[place - 1]} stood {self.now() - times[place - 1]:.1f} s ago")

    def head(self, room: str) -> int:
        """The highest offset anybody has seen."""
        heads = self._heads[room][1]
        return heads[-1] if heads else 0

    def _note_head(self, room: str, offset: int) -> None:
        times, heads = self._heads[room]
        if not heads or offset > heads[-1]:
            times.append(self.now())
            heads.append(offset)
