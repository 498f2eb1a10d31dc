"""Commands on their way to actors of other nodes: the sender's windows, by slot."""

from collections.abc import Callable

from msgspec import DecodeError, Struct, ValidationError

from commonroom.engine.address import Address, address_named, slot_of_address
from commonroom.engine.cluster.call import deliver
from commonroom.engine.cluster.link import Links
from commonroom.engine.cluster.window import MAX_LATER, Window
from commonroom.engine.cluster.wire import Again, Answer, Done, Taken, encode
from commonroom.engine.envelope import Envelope
from commonroom.engine.mailbox import SIGNALS
from commonroom.errors import CommonroomError, InternalError, Unavailable

__all__ = ["Outgoing", "OutgoingStats"]

BUSY_MS = 200


class OutgoingStats(Struct):
    """Counts since the start."""

    calls: int = 0
    resent: int = 0
    refused: int = 0


class Outgoing:
    """All windows of this gateway.

    Args:
        window: most commands under way to one actor; beyond it they are answered RETRY.
        total: the same for all actors together.
        refuse: answers an envelope that goes nowhere.
    """

    def __init__(
        self, links: Links, window: int, total: int, refuse: Callable[[Envelope, CommonroomError], None], stats: OutgoingStats
    ) -> None:
        self._links = links
        self._limit = window
        self._total = total
        self._refuse = refuse
        self._stats = stats
        self._windows: dict[int, dict[Address, Window]] = {}
        self._waiting = 0
        self._numbers = 0

    def __len__(self) -> int:
        """Commands under way."""
        return self._waiting

    def send(self, slot: int, epoch: int, member: str, envelope: Envelope) -> None:
        """Send an envelope to the member that owns its slot."""
        window = self._window(slot, envelope.address, epoch, member)
        if (window.commands >= self._limit or self._waiting >= self._total) and type(envelope.command) not in SIGNALS:
            self._stats.refused += 1
            self._refuse(envelope, Unavailable(f"{envelope.address} is busy", retry_after_ms=BUSY_MS))
            return
        self._stats.calls += 1
        before = window.commands
        self._links.send_encoded(member, encode(window.add(envelope)))
        self._waiting += window.commands - before

    def withdraw(self, slot: int) -> list[Envelope]:
        """Give up the slot's windows; what waited, oldest first for each actor. What has too many behind it is refused instead."""
        windows = self._windows.pop(slot, {})
        self._waiting -= sum(window.commands for window in windows.values())
        left: list[Envelope] = []
        for envelope in (one for window in windows.values() for one in window.withdraw()):
            if len(envelope.later) <= MAX_LATER:
                left.append(envelope)
            else:
                self._refuse(envelope, Unavailable("too many commands are behind this one", retry_after_ms=BUSY_MS))
        return left

    def resend(self, member: str) -> None:
        """Send again whatever waits for this member, but for announcements: those are made anew, and would pile up."""
        for windows in self._windows.values():
            for window in [window for window in windows.values() if window.member == member]:
                if window.announces_only:
                    del windows[window.address]
                else:
                    self._send_again(window)

    # -- from the owner --------------------------------------------------------------

    def answered(self, answer: Answer) -> None:
        """Give an answer to its origin; a late or repeated one finds nobody."""
        window = self._find(answer.address, answer.window)
        if window is None:
            return
        before = window.commands
        envelope = window.answered(answer.seq)
        self._waiting -= before - window.commands
        if envelope is None or envelope.origin is None:
            return
        try:
            deliver(answer, envelope.origin)
        except (DecodeError, ValidationError, LookupError):
            self._refuse(envelope, InternalError("the answer is of another version"))

    def taken(self, taken: Taken) -> None:
        """Signals have arrived."""
        window = self._find(taken.address, taken.window)
        if window is not None:
            before = window.commands
            window.taken(taken.seq)
            self._waiting -= before - window.commands

    def again(self, again: Again) -> None:
        """The owner misses something."""
        window = self._find(again.address, again.window)
        if window is not None:
            self._send_again(window)

    def activated(self, address: Address) -> None:
        """A new instance: what the one before was asked without a sure answer is asked anew by whoever wants it."""
        window = self._windows.get(slot_of_address(address), {}).get(address)
        if window is not None:
            window.forget_late()

    def sweep(self) -> None:
        """Close windows in which nothing waits and nothing was sent since the last sweep."""
        for slot, windows in list(self._windows.items()):
            for window in list(windows.values()):
                if window.idle and not len(window) and self._links.is_whole(window.member):
                    del windows[window.address]
                    self._links.send(window.member, Done(str(window.address), window.number))
                window.idle = True
            if not windows:
                del self._windows[slot]

    # -- inside ------------------------------------------------------------------------

    def _window(self, slot: int, address: Address, epoch: int, member: str) -> Window:
        windows = self._windows.setdefault(slot, {})
        window = windows.get(address)
        if window is None:
            self._numbers += 1
            window = windows[address] = Window(address, self._numbers, epoch, member)
        return window

    def _find(self, address: str, number: int) -> Window | None:
        parsed = address_named(address)
        window = self._windows.get(slot_of_address(parsed), {}).get(parsed)
        return window if window is not None and window.number == number else None

    def _send_again(self, window: Window) -> None:
        calls = window.again()
        self._stats.resent += len(calls)
        for call in calls:
            self._links.send_encoded(window.member, encode(call))
