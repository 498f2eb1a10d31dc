"""Links: what one node says to another, numbered, so that a loss is noticed and mended.

The transport below delivers at most once. A link counts parcels in both directions: a
number that is skipped, a listener that was away or a parcel that was dropped here means
that anything either side said lately may be missing. Then the link is *broken*: `Resync`
is sent, every second until `Resynced` comes back; after that both sides say again what
matters (`LinkEvents.resynced`). A repeated or late parcel is dropped.

    whole ──gap, interruption, drop──► broken ──`Resynced` of our latest `Resync`──► whole
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from commonroom.engine.cluster.port import Transport
from commonroom.engine.cluster.wire import Message, Parcel, Resync, Resynced, decode_message, decode_parcel, encode

__all__ = ["LinkEvents", "LinkStats", "Links"]

MAX_PARCEL_BYTES: Final = 256 * 1024
RETRY_S: Final = 1.0
MAX_GONE: Final = 1000
"""Incarnations remembered as dead."""
_HOSTILE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class LinkStats(Struct):
    """Counts since the start."""

    parcels: int = 0
    messages: int = 0
    repeats: int = 0
    gaps: int = 0
    dropped: int = 0
    resyncs: int = 0
    garbled: int = 0


class LinkEvents(Protocol):
    """Who is told what arrives."""

    def heard(self, member: str, message: Message) -> None:
        """A message, in order. Must not raise."""
        ...

    def resynced(self, member: str) -> None:
        """Messages were lost, either way; from now on they arrive again: say anew what must be known."""
        ...


class _Link:
    """Both directions with one member."""

    __slots__ = ("armed", "broken", "expected", "next", "number", "out", "size", "theirs")

    def __init__(self, number: int) -> None:
        self.number = number
        self.theirs = 0
        """The number of the link that the other side speaks on."""
        self.next = 1
        self.expected = 1
        self.out: list[msgspec.Raw] = []
        self.size = 0
        self.armed = False
        self.broken = 0  # the number of the `Resync` that is not answered yet; 0: whole


class Links:
    """All links of one incarnation.

    Args:
        me: our id.
        soon: the loop's `call_soon`.
        later: the loop's `call_later`.
    """

    def __init__(
        self,
        me: str,
        transport: Transport,
        events: LinkEvents,
        *,
        soon: Callable[..., Any],
        later: Callable[..., Any],
        stats: LinkStats,
    ) -> None:
        self.me = me
        self._transport = transport
        self._events = events
        self._soon = soon
        self._later = later
        self._stats = stats
        self._links: dict[str, _Link] = {}
        self._gone: dict[str, None] = {}
        self._numbers = 0
        self._resyncs = 0
        self._retrying = False
        self._closed = False

    def close(self) -> None:
        """Say and hear nothing more."""
        self._closed = True
        self._links.clear()

    def reset(self, me: str) -> None:
        """We are another incarnation: nothing was said or heard yet."""
        self.me = me
        self._links.clear()

    def keep(self, members: Iterable[str], gone: Iterable[str]) -> None:
        """Forget links to those who are gone; what they still say is not heard, unless they are members again."""
        for member in members:
            self._gone.pop(member, None)
        for member in gone:
            self._links.pop(member, None)
            self._gone[member] = None
        while len(self._gone) > MAX_GONE:
            del self._gone[next(iter(self._gone))]

    def is_whole(self, member: str) -> bool:
        """Whether what is said now arrives, as far as known."""
        link = self._links.get(member)
        return link is not None and not link.broken

    @property
    def peers(self) -> list[str]:
        """All that we spoke with."""
        return list(self._links)

    @property
    def broken(self) -> int:
        """Links that wait for `Resynced`."""
        return sum(link.broken > 0 for link in self._links.values())

    # -- out -----------------------------------------------------------------------

    def send(self, member: str, message: Message) -> None:
        """Say it at the end of this turn."""
        self.send_encoded(member, encode(message))

    def send_encoded(self, member: str, message: bytes) -> None:
        """As `send`, of something that was encoded once for many."""
        link = self._link(member)
        link.out.append(msgspec.Raw(message))
        link.size += len(message)
        if not link.armed:
            link.armed = True
            self._soon(self._flush, member, link)
        elif link.size > MAX_PARCEL_BYTES:
            self._send_parcel(member, link)

    def _flush(self, member: str, link: _Link) -> None:
        link.armed = False
        if link.out and self._links.get(member) is link:
            self._send_parcel(member, link)

    def _send_parcel(self, member: str, link: _Link) -> None:
        parcel = Parcel(self.me, link.number, link.next, link.out)
        link.next += 1
        self._stats.parcels += 1
        self._stats.messages += len(link.out)
        link.out, link.size = [], 0
        if not self._transport.send(member, encode(parcel)):
            self._stats.dropped += 1
            self._break(link)

    # -- in ------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """A parcel from the transport."""
        if self._closed:
            return
        try:
            parcel = decode_parcel(data)
        except _HOSTILE:
            self._stats.garbled += 1
            return
        if parcel.sender in self._gone:
            return
        link = self._link(parcel.sender)
        if parcel.link > link.theirs:
            self._meet(link, parcel.link)
        if parcel.link < link.theirs or parcel.number < link.expected:
            self._stats.repeats += 1
            return
        if parcel.number > link.expected:
            self._stats.gaps += 1
            self._break(link)
        link.expected = parcel.number + 1
        for raw in parcel.messages:
            try:
                message = decode_message(raw)
            except _HOSTILE:  # of a newer version, which has to do without our answer
                self._stats.garbled += 1
            else:
                self._hear(parcel.sender, link, message)

    def _meet(self, link: _Link, number: int) -> None:
        """The other side speaks on a new link: what it knew of us before, it has forgotten."""
        if link.theirs:
            self._break(link)
        link.theirs, link.expected = number, 1

    def _hear(self, member: str, link: _Link, message: Message) -> None:
        if self._links.get(member) is not link:
            return
        if isinstance(message, Resync):
            self.send(member, Resynced(message.number))
            if not link.broken:  # else once we hear that our own is answered
                self._events.resynced(member)
        elif isinstance(message, Resynced):
            if message.number == link.broken:
                link.broken = 0
                self._events.resynced(member)
        else:
            self._events.heard(member, message)

    # -- broken ----------------------------------------------------------------------

    def interrupted(self) -> None:
        """The transport listened to nothing for a while."""
        for link in self._links.values():
            self._break(link)

    def suspect(self, member: str) -> None:
        """What was agreed with this member does not hold: begin anew."""
        self._break(self._link(member))

    def _break(self, link: _Link) -> None:
        self._resyncs += 1
        self._stats.resyncs += not link.broken
        link.broken = self._resyncs
        if not self._retrying:
            self._retrying = True
            self._soon(self._retry)

    def _retry(self) -> None:
        """Ask all broken links for a new beginning, once a second until they answer."""
        broken = [(member, link) for member, link in self._links.items() if link.broken]
        self._retrying = bool(broken) and not self._closed
        if not self._retrying:
            return
        for member, link in broken:
            self.send(member, Resync(link.broken))
        self._later(RETRY_S, self._retry)

    def _link(self, member: str) -> _Link:
        link = self._links.get(member)
        if link is None:
            self._numbers += 1
            link = self._links[member] = _Link(self._numbers)
        return link
