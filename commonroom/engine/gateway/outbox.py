"""What the gateway owes one reader, in bytes, and when that is too much.

While the peer keeps up, a write is a system call on the socket and nothing else, so that a fan-out
costs little more than the kernel asks for (measured with 200 sockets: 0.8 µs a delivery less than
through the transport). Where a write goes, by `fd`:

    direct (fd ≥ 0) ──(the kernel took less than all)──► through the transport (fd = -1)
    through ──(the transport is empty at the next write)──► direct
    both ──(close)──► nowhere (fd = -1)

Going through, bytes wait in the transport and all later ones behind them. Once they are over
`write_high_bytes` (the soft limit) the outbox is *congested*: it counts, its owner stops reading
from that peer (the library queues a pong for every ping: RELIABILITY R6) and its subscriptions keep
what their rooms send. It fails when more than `outbox_bytes` are owed, here and in their backlogs
together, or nothing was taken for `outbox_stall_s`. Pushes are shared between readers, so a slow
one holds references, not copies.

Invariant: the socket is open as long as the outbox is not closed. The transport tells its protocol
of a lost connection before it closes the file descriptor, and that closes the outbox; so a number
that the system has given to another socket is never written to.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.tally import Tally

__all__ = ["Outbox", "write_all"]


class Outbox:
    """The write side of one connection.

    Args:
        number: the file descriptor of the transport's socket; -1: always go through the transport.
        on_overflow: called when the reader owes too much; must close the connection.
    """

    __slots__ = (
        "_checked_s",
        "_number",
        "_on_overflow",
        "_settings",
        "_taken",
        "_transport",
        "_written",
        "closed",
        "congested",
        "fd",
        "kept_bytes",
        "tally",
    )

    def __init__(self, transport: asyncio.Transport, number: int, settings: GatewaySettings, on_overflow: Callable[[], None]) -> None:
        self._transport = transport
        self._number = number
        self._settings = settings
        self._on_overflow = on_overflow
        self._written = self._taken = 0
        self._checked_s = 0.0
        self.congested = False
        self.closed = False
        self.kept_bytes = 0
        """Bytes of pushes that wait for their turn in the backlogs of subscriptions."""
        self.fd = -1  # the handshake's answer may still be in the transport
        """Where `write_all` writes; what that takes short must be given to `queue`."""
        self.tally = Tally()
        """What the peer missed."""

    def write(self, frames: bytes) -> None:
        """Send whole frames; nothing once closed. Never blocks."""
        sent = 0
        if self.fd >= 0:
            try:
                sent = os.write(self.fd, frames)
            except OSError:  # full, or broken: the transport finds out which
                sent = 0
        if sent != len(frames):
            self.queue(frames, sent)

    def queue(self, frames: bytes, sent: int) -> None:
        """Send what is left of frames after a direct write of `sent` bytes, 0 where there was none."""
        if self.closed:
            return
        if self.fd < 0 <= self._number and not self._buffered:
            self.fd = self._number
            self.write(frames)
            return
        self.fd = -1
        self._transport.write(frames[sent:])
        if self.congested:
            self._written += len(frames) - sent
            self._check()

    @property
    def owed_bytes(self) -> int:
        """Bytes the peer has not taken yet: written ones, and those kept in backlogs."""
        return self._buffered + self.kept_bytes

    @property
    def _buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    def keep(self, size: int) -> None:
        """Count `size` bytes more that wait in a backlog; less than 0: so many do no longer."""
        self.kept_bytes += size
        if size > 0 and not self.closed:
            self._check()

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True
        self.fd = self._number = -1
        self._on_overflow = _nothing  # it holds whoever holds this

    def congest(self, now_s: float) -> float:
        """The transport's buffer went over its high mark; the moment to call `stalled`."""
        self.congested = True
        self.tally.slowed += 1
        self._written, self._taken = self._buffered, 0
        self._checked_s = now_s
        return self.next_check_s(now_s)

    def drain(self) -> None:
        """The transport's buffer went under its low mark."""
        self.congested = False

    def stalled(self, now_s: float) -> bool:
        """Whether the peer took nothing for `outbox_stall_s`."""
        taken = self._written - self._buffered
        if taken > self._taken:
            self._taken, self._checked_s = taken, now_s
        return now_s >= self._checked_s + self._settings.outbox_stall_s

    def next_check_s(self, now_s: float) -> float:
        """When to ask `stalled` again: a stall is noticed a quarter late at most."""
        return now_s + self._settings.outbox_stall_s / 4

    def _check(self) -> None:
        if self.owed_bytes > self._settings.outbox_bytes:
            self._on_overflow()


def _nothing() -> None: ...


def write_all(outboxes: Sequence[Outbox], frames: bytes) -> None:
    """The same bytes to many readers: the one loop of a fan-out, run by the interpreter's own `map`."""
    sent: list[int] = []
    numbers: Iterable[int] = iter([outbox.fd for outbox in outboxes])
    while len(sent) < len(outboxes):
        try:
            sent.extend(map(os.write, numbers, repeat(frames)))
        except OSError:  # of the one after those in `sent`
            sent.append(0)
    if sent.count(len(frames)) < len(sent):
        for outbox, taken in zip(outboxes, sent, strict=True):
            if taken != len(frames):
                outbox.queue(frames, taken)
