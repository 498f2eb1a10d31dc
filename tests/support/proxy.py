"""A Unix-socket proxy in front of PostgreSQL that loses what a test wants lost."""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote

__all__ = ["LossyProxy"]

SOCKET = ".s.PGSQL.5432"


class LossyProxy:
    """Forwards connections; cuts one instead of delivering a reply that `cut` picks.

    A reply is picked by its bytes, so a test can lose exactly the answer to a call that
    has committed already: `SELECT n` is the command tag of a finished `journal_append`
    that refused n commits. `refusing` closes every new connection at once.
    """

    def __init__(self, dsn: str) -> None:
        before, _, host = dsn.partition("host=")
        self._server = Path(unquote(host)) / SOCKET
        self._folder = tempfile.TemporaryDirectory(prefix="cr-proxy-")
        self.dsn = f"{before}host={quote(self._folder.name, safe='')}"
        self.cut: Callable[[bytes], bool] = lambda _reply: False
        self.cuts = 0
        self.refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_unix_server(self._serve, Path(self._folder.name) / SOCKET)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._listener is not None
        self._listener.close()
        self.drop()
        async with asyncio.timeout(10):
            while self._writers:
                await asyncio.sleep(0)
        self._folder.cleanup()

    def drop(self) -> None:
        """Cut every connection now."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        ends = {writer, server_writer}
        self._writers |= ends
        try:
            forward = asyncio.gather(self._pump(reader, server_writer, replies=False), self._pump(server_reader, writer, replies=True))
            with suppress(OSError):
                await forward
        finally:
            for end in ends:
                end.transport.abort()
            self._writers -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool) -> None:
        while data := await reader.read(65536):
            if replies and self.cut(data):
                self.cuts += 1
                break
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one side ended: so does the other
