"""What the gateway owes one reader, in bytes, and when that is too much.

While the peer keeps up, a write is a system call and nothing else: `send` writes to the socket
itself, so that a fan-out costs no more than the kernel asks for (measured: 2.2 µs a delivery
instead of 3.0 through the transport). States of a write, by where `send` points:

    DIRECT ──(the kernel took less than all)──► THROUGH ──(transport is empty at the next write)──► DIRECT
    DIRECT, THROUGH ──(close)──► NOWHERE

THROUGH, bytes wait in the transport and all others behind them. Once they are over `write_high_bytes`
(the soft limit) the outbox is *congested*: it counts, its owner stops reading
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
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from operator import call

from commonroom.config.settings import GatewaySettings

__all__ = ["Outbox", "Send", "sender", "write_all"]

Send = Callable[[bytes], int]
"""Writes what the kernel takes now and returns how much; raises OSError when that is nothing."""


def sender(transport: asyncio.Transport) -> Send:
    """Writes to a transport's socket, past the transport."""
    return partial(os.write, transport.get_extra_info("socket").fileno())


class Outbox:
    """The write side of one connection.

    Args:
        direct: writes to the transport's socket, see `sender`.
        on_overflow: called when the reader owes too much; must close the connection.
    """

    __slots__ = (
        "_checked_s",
        "_direct",
        "_on_overflow",
        "_settings",
        "_taken",
        "_transport",
        "_written",
        "closed",
        "congested",
        "kept_bytes",
        "send",
    )

    def __init__(self, transport: asyncio.Transport, direct: Send, settings: GatewaySettings, on_overflow: Callable[[], None]) -> None:
        self._transport = transport
        self._direct = direct
        self._settings = settings
        self._on_overflow = on_overflow
        self._written = self._taken = 0
        self._checked_s = 0.0
        self.congested = False
        self.closed = False
        self.kept_bytes = 0
        """Bytes of pushes that wait for their turn in the backlogs of subscriptions."""
        self.send: Send = self._through  # the handshake's answer may still be in the transport
        """For a fan-out that writes to many: what it returns short or raises must be given to `queue`."""

    def write(self, frames: bytes) -> None:
        """Send whole frames; nothing once closed. Never blocks."""
        try:
            sent = self.send(frames)
        except OSError:  # full, or broken: the transport finds out which
            sent = 0
        if sent != len(frames):
            self.queue(frames, sent)

    def queue(self, frames: bytes, sent: int) -> None:
        """The kernel took only the first `sent` bytes: the rest goes through the transport."""
        if not self.closed:
            self.send = self._through
            self._transport.write(frames[sent:])

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
        self.send = len

    def congest(self, now_s: float) -> float:
        """The transport's buffer went over its high mark; the moment to call `stalled`."""
        self.congested = True
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

    def _through(self, frames: bytes) -> int:
        if not self._buffered:
            self.send = self._direct
            return self._direct(frames)
        self._transport.write(frames)
        if self.congested:
            self._written += len(frames)
            self._check()
        return len(frames)

    def _check(self) -> None:
        if self.owed_bytes > self._settings.outbox_bytes:
            self._on_overflow()


def write_all(outboxes: Sequence[Outbox], frames: bytes) -> None:
    """The same bytes to many readers: the one loop of a fan-out, run by the interpreter's own `map`.

    Measured with 200 sockets: 0.3 µs a reader beyond the system call, against 0.8 for a loop over `write`.
    """
    sent: list[int] = []
    while len(sent) < len(outboxes):
        try:
            sent.extend(map(call, [outbox.send for outbox in outboxes[len(sent) :]], repeat(frames)))
        except OSError:  # of the one after those in `sent`
            sent.append(0)
    if sent.count(len(frames)) < len(sent):
        for outbox, taken in zip(outboxes, sent, strict=True):
            if taken != len(frames):
                outbox.queue(frames, taken)
