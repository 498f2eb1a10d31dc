"""The end of a socket that we close: read on until the peer closes (RELIABILITY R20).

A kernel that closes a socket with unread bytes sends RST, and RST discards what the peer
has not read yet: the close frame or the refusal. So: write it, send FIN, discard what
still comes, and close when the peer does, or at a deadline.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from commonroom.engine.gateway.wheel import NEVER, Wheel

__all__ = ["Linger"]

MAX_DISCARDED_BYTES: Final = 4 * 1024 * 1024


class Linger(asyncio.Protocol):
    """Takes over a transport on which the last bytes have been written.

    Args:
        timeout_s: time for the peer to close before the transport is aborted.
        on_lost: called once when the transport is gone.
    """

    __slots__ = ("_discardable", "_on_lost", "_until_s", "_wheel", "bucket", "transport")

    def __init__(self, transport: asyncio.Transport, wheel: Wheel, timeout_s: float, on_lost: Callable[["Linger"], None]) -> None:
        self.transport = transport
        self._wheel = wheel
        self._until_s = wheel.now_s + timeout_s
        self._on_lost = on_lost
        self._discardable = MAX_DISCARDED_BYTES
        self.bucket = NEVER
        transport.set_protocol(self)
        wheel.watch(self, self._until_s)
        if not transport.is_closing():
            transport.write_eof()
            transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._discardable -= len(data)
        if self._discardable < 0:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wheel.forget(self)
        self._on_lost(self)

    def abort(self) -> None:
        """End it now."""
        self.transport.abort()

    def tick(self, now_s: float) -> float | None:
        if now_s < self._until_s:
            return self._until_s
        self.transport.abort()
        return None
