"""What the gateway owes one reader, in bytes, and when that is too much.

While the peer keeps up, a write is a write. Once the transport's buffer is over
`write_high_bytes` (the soft limit) the outbox is *congested*: it counts, its owner stops reading
from that peer (the library queues a pong for every ping: RELIABILITY R6) and its subscriptions keep
what their rooms send. It fails when more than `outbox_bytes` are owed, here and in their backlogs
together, or nothing was taken for `outbox_stall_s`. Pushes are shared between readers, so a slow
one holds references, not copies.
"""

import asyncio
from collections.abc import Callable

from commonroom.config.settings import GatewaySettings

__all__ = ["Outbox"]


class Outbox:
    """The write side of one connection.

    Args:
        on_overflow: called when the reader owes too much; must close the connection.
    """

    __slots__ = (
        "_checked_s",
        "_on_overflow",
        "_settings",
        "_special",
        "_taken",
        "_transport",
        "_written",
        "closed",
        "congested",
        "kept_bytes",
    )

    def __init__(self, transport: asyncio.Transport, settings: GatewaySettings, on_overflow: Callable[[], None]) -> None:
        self._transport = transport
        self._settings = settings
        self._on_overflow = on_overflow
        self._special = False
        self._written = self._taken = 0
        self._checked_s = 0.0
        self.congested = False
        self.closed = False
        self.kept_bytes = 0
        """Bytes of pushes that wait for their turn in the backlogs of subscriptions."""

    def write(self, frames: bytes) -> None:
        """Send whole frames; nothing once closed. Never blocks."""
        if self._special:
            self._write_specially(frames)
        else:
            self._transport.write(frames)

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
        self.closed = self._special = True

    def congest(self, now_s: float) -> float:
        """The transport's buffer went over its high mark; the moment to call `stalled`."""
        self.congested = self._special = True
        self._written, self._taken = self._buffered, 0
        self._checked_s = now_s
        return self.next_check_s(now_s)

    def drain(self) -> None:
        """The transport's buffer went under its low mark."""
        self.congested = False
        self._special = self.closed

    def stalled(self, now_s: float) -> bool:
        """Whether the peer took nothing for `outbox_stall_s`."""
        taken = self._written - self._buffered
        if taken > self._taken:
            self._taken, self._checked_s = taken, now_s
        return now_s >= self._checked_s + self._settings.outbox_stall_s

    def next_check_s(self, now_s: float) -> float:
        """When to ask `stalled` again: a stall is noticed a quarter late at most."""
        return now_s + self._settings.outbox_stall_s / 4

    def _write_specially(self, frames: bytes) -> None:
        if self.closed:
            return
        self._transport.write(frames)
        self._written += len(frames)
        self._check()

    def _check(self) -> None:
        if self.owed_bytes > self._settings.outbox_bytes:
            self._on_overflow()
