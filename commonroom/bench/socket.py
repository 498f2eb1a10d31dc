"""A lean WebSocket client: counts frames by their headers, decodes only what it is asked to.

It is far cheaper a frame than the server, so that the generator is not what is measured.
"""

import asyncio
import base64
from collections.abc import Callable
from typing import Self, TypeVar, cast

from commonroom.ids import new_secret
from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.registry import tag_of
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["LeanSocket"]

MASK = b"\x00\x00\x00\x00"
"""A zero mask is a valid mask (RFC 6455 section 5.3) and costs the client nothing."""

M = TypeVar("M", bound=ServerMessage)


class LeanSocket(asyncio.Protocol):
    """One socket of the bench."""

    def __init__(self) -> None:
        self.received_bytes = 0
        self.counted = 0
        self.on_frames: Callable[[int], None] | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._upgraded = False
        self._tag: int | None = None
        self._expected: tuple[type[ServerMessage], asyncio.Future[ServerMessage]] | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Connect and upgrade."""
        _, socket = await asyncio.get_running_loop().create_connection(cls, host, port)
        await socket.upgrade(f"{host}:{port}")
        return socket

    async def upgrade(self, authority: str) -> None:
        """Do the opening handshake; `authority` is host:port."""
        key = base64.b64encode(new_secret()[:16].encode()).decode()
        self._transport.write(
            f"GET /v1/ws HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {MSGPACK_PROTOCOL}\r\n\r\n".encode()
        )
        await self._ready

    def send(self, command: Command) -> None:
        """Send one command in one frame of at most 64 KiB."""
        payload = MSGPACK.encode(command)
        size = len(payload)
        head = bytes((0x82, 0x80 | size)) if size < 126 else b"\x82\xfe" + size.to_bytes(2, "big")
        self._transport.write(head + MASK + payload)

    async def expect(self, kind: type[M]) -> M:
        """The next message of that type."""
        arrived: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
        self._expected = (kind, arrived)
        message = await arrived
        if not isinstance(message, kind):
            raise TypeError(f"expected {kind.__name__}, got {message!r}")
        return message

    def count(self, kind: type[ServerMessage]) -> None:
        """From now on count pushes of this type, without decoding."""
        self._tag = tag_of(kind)
        self.counted = 0

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not registered as one

    def connection_lost(self, exc: Exception | None) -> None:
        for waiting in (self._ready, self.lost):
            if not waiting.done():
                waiting.set_result(None)
        if self._expected and not self._expected[1].done():
            self._expected[1].set_exception(ConnectionResetError("the server closed the socket"))

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        buffer = self._buffer
        buffer += data
        if not self._upgraded and not self._upgrade():
            return
        self._frames()
        if self.on_frames is not None:
            self.on_frames(self.counted)

    def _upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            self._ready.set_exception(ConnectionError(self._buffer[:60].decode(errors="replace")))
            self._transport.abort()
            return False
        del self._buffer[: end + 4]
        self._upgraded = True
        self._ready.set_result(None)
        return True

    def _frames(self) -> None:
        """Walk the frames by their lengths; hot for the generator, hence in one function."""
        buffer, at, tag, counted = self._buffer, 0, self._tag, 0
        total = len(buffer)
        while total - at >= 4:
            size = buffer[at + 1]
            start = at + 2
            if size == 126:
                size = buffer[at + 2] << 8 | buffer[at + 3]
                start = at + 4
            elif size == 127:
                if total - at < 10:
                    break
                size = int.from_bytes(buffer[at + 2 : at + 10], "big")
                start = at + 10
            if start + size > total:
                break
            if tag is not None and buffer[start + 1] == tag:
                counted += 1
            elif self._expected is not None and buffer[at] == 0x82:
                self._deliver(bytes(buffer[start : start + size]))
            at = start + size
        if at:
            del buffer[:at]
        self.counted += counted

    def _deliver(self, payload: bytes) -> None:
        if self._expected is None:
            return
        kind, arrived = self._expected
        message = MSGPACK.decode_server(payload)
        if isinstance(message, kind) and not arrived.done():
            self._expected = None
            arrived.set_result(message)
