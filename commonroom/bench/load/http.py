"""A lean HTTP/1.1 client that asks for one thing after another over one connection."""

import asyncio
import re
from collections.abc import Callable

from commonroom.bench.load.tally import Tally
from commonroom.clock import monotonic_us
from commonroom.errors import Unavailable
from commonroom.tasks import pause

__all__ = ["Getter"]

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Getter:
    """One kept-alive connection.

    Args:
        next_target: what to ask for, given the body of the last answer, empty at first.
        every_s: between two intended moments, from which durations count; 0: the next as soon as the last is answered.
        after_s: when the first one is, so that not all connections have the same.
    """

    def __init__(
        self, host: str, port: int, next_target: Callable[[bytes], str], tally: Tally, *, every_s: float = 0.0, after_s: float = 0.0
    ) -> None:
        self._host = host
        self._port = port
        self._next_target = next_target
        self._tally = tally
        self._every_us = int(every_s * 1e6)
        self._after_us = int(after_s * 1e6)
        self._pages = tally.time("page")

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until stopped.

        Raises:
            Unavailable: an answer is not 200, or the connection broke.
        """
        reader, writer = await asyncio.open_connection(self._host, self._port)
        body, intended_us = b"", monotonic_us() + self._after_us - self._every_us
        try:
            while not stopping.is_set():
                intended_us = await self._moment(intended_us)
                writer.write(f"GET {self._next_target(body)} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode())
                self._tally.sent += 1
                body = await self._answer(reader)
                self._pages.record(monotonic_us() - intended_us)
                self._tally.answered += 1
        except asyncio.IncompleteReadError:
            raise Unavailable("the server closed the connection") from None
        finally:
            writer.close()

    async def _moment(self, last_us: int) -> int:
        """Wait for the next intended moment."""
        if not self._every_us:
            return monotonic_us()
        next_us = last_us + self._every_us
        if (early_us := next_us - monotonic_us()) > 0:
            await pause(early_us / 1e6)
        return next_us

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise Unavailable(f"the server answers {head[:60].decode(errors='replace')!r}")
        self._tally.count("bytes", len(head) + int(length[1]))
        return await reader.readexactly(int(length[1]))
