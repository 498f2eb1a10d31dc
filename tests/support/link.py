"""The way to a server: a Unix-socket proxy that delays, stalls and cuts.

What was sent while a way was cut is not lost: it arrives once the way is healed, even from a
sender that has given up its connection meanwhile. That is the worst a network does: a write
that comes late.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from tests.support.client import until

__all__ = ["Link", "Way"]

CHUNK = 65536


class Way:
    """One direction. Bytes wait while it is held, and `delay_s` in any case."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.waiting = 0
        """Chunks, and connections, that wait for the way to be healed."""
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self.delay_s = 0.0
        self._open.set()

    async def passed(self) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        self.waiting += 1
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1


class Link:
    """Forwards connections made at the socket `at` to the socket `server`.

    `up` leads to the server, `down` back to the node.
    """

    def __init__(self, at: Path, server: Path) -> None:
        self.at = at
        self.up = Way()
        self.down = Way()
        self._server = server
        self._pairs: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    async def open(self) -> None:
        self.at.parent.mkdir(parents=True, exist_ok=True)
        self._listener = await asyncio.start_unix_server(self._serve, self.at)

    async def close(self) -> None:
        """Cut every connection and listen no more."""
        if self._listener is None:
            return
        self._listener.close()
        self.heal()
        self.drop()
        await until(lambda: not self._pairs, "the link's end")

    def heal(self) -> None:
        self.up.heal()
        self.down.heal()

    def drop(self) -> None:
        """Break every connection now."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        self._writers.add(writer)
        try:
            with suppress(OSError):
                await self._forward(reader, writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._pairs.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.up.passed()
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        self._writers.add(server_writer)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, server_writer, self.up))
                pumps.create_task(_pump(server_reader, writer, self.down))
        finally:
            server_writer.transport.abort()
            self._writers.discard(server_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
    """Carry bytes to their end, then the end itself, behind all bytes."""
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            await way.passed()
            if writer.is_closing():
                break
            writer.write(data)
            await writer.drain()
    await way.passed()
    writer.close()
