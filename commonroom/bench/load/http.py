"""A lean HTTP/1.1 client that asks for one thing again and again over one connection."""

import asyncio
import re

from commonroom.bench.load.tally import Tally
from commonroom.clock import monotonic_us
from commonroom.errors import Unavailable

__all__ = ["Getter"]

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Getter:
    """One kept-alive connection."""

    def __init__(self, host: str, port: int, target: str, tally: Tally) -> None:
        self._host = host
        self._port = port
        self._request = f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
        self._tally = tally
        self._pages = tally.time("page")

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until stopped.

        Raises:
            Unavailable: an answer is not 200, or the connection broke.
        """
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            while not stopping.is_set():
                began_us = monotonic_us()
                writer.write(self._request)
                self._tally.sent += 1
                size = await self._answer(reader)
                self._pages.record(monotonic_us() - began_us)
                self._tally.answered += 1
                self._tally.count("bytes", size)
        except asyncio.IncompleteReadError:
            raise Unavailable("the server closed the connection") from None
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise Unavailable(f"the server answers {head[:60].decode(errors='replace')!r}")
        await reader.readexactly(int(length[1]))
        return len(head) + int(length[1])
