"""One WebSocket to a node, as a client has it: commands out, decoded messages in."""

import asyncio
from collections.abc import Callable
from typing import Self, cast

from commonroom.bench.load.dialect import BINARY, CLOSE, PING, client_frame
from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["LOST", "Wire"]

PONG = 0xA
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: {MSGPACK_PROTOCOL}\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 "

LOST = (OSError, EOFError)  # TimeoutError is an OSError


class Wire(asyncio.Protocol):
    """A socket; `ended` is set once it is over, `close_code` says how if the server did.

    Args:
        take: called with each message, in order.
    """

    def __init__(self, take: Callable[[ServerMessage], None]) -> None:
        self.ended = asyncio.Event()
        self.close_code: int | None = None
        self._take = take
        self._buffer = b""
        self._upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport

    @classmethod
    async def open(cls, port: int, take: Callable[[ServerMessage], None], timeout_s: float, room: str = "") -> Self:
        """A socket that is through the opening handshake.

        Args:
            room: which its path names, so that another node of the host may serve it; none if empty.

        Raises:
            OSError: it is not within the time.
        """
        loop = asyncio.get_running_loop()
        wire: Self | None = None
        try:
            async with asyncio.timeout(timeout_s):
                _, wire = await loop.create_connection(lambda: cls(take), "127.0.0.1", port)
                wire._transport.write(REQUEST.format(path=f"/v1/ws/{room}" if room else "/v1/ws", port=port).encode())
                await wire._upgraded
        except BaseException:
            if wire is not None:
                wire.abort()
            raise
        return wire

    def send(self, command: Command) -> None:
        if not self.ended.is_set():
            self._transport.write(client_frame(MSGPACK.encode(command)))

    def abort(self) -> None:
        """Break the socket, without a goodbye."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        if not self._upgraded.done():
            self._upgraded.set_exception(exc or ConnectionResetError("closed in the handshake"))
            self._upgraded.exception()  # whoever waited may have given up

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded.done() and not self._read_head():
            return
        while self._read_frame():
            pass

    def _read_head(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(SWITCHED):
            self._transport.abort()  # 503 while it drains
            return False
        self._buffer = rest
        self._upgraded.set_result(None)
        return True

    def _read_frame(self) -> bool:
        """Take the next whole frame (RFC 6455 section 5.2, unmasked)."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, start = buffer[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return False
        payload, self._buffer = buffer[start : start + size], buffer[start + size :]
        self._frame(buffer[0] & 0xF, payload)
        return True

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == BINARY:
            self._take(MSGPACK.decode_server(payload))
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self._transport.close()
        elif opcode == PING:
            self._transport.write(client_frame(payload, PONG))
