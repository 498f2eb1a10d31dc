"""A WebSocket peer made by hand, byte by byte, that may break every rule."""

import asyncio
from typing import NamedTuple, Self

from commonroom.protocol.codec import JSON, MSGPACK, MSGPACK_PROTOCOL, Codec
from commonroom.protocol.wire import Command, ServerMessage

__all__ = ["BINARY", "CLOSE", "CONT", "PING", "PONG", "TEXT", "Frame", "RawSocket", "closing", "frame"]

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TIMEOUT_S = 20.0


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool = True

    @property
    def close_code(self) -> int | None:
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else None


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = MASK, width: int = 0) -> bytes:
    """A client's frame. `width`: bytes of the extended length (0: the shortest; 2, 8)."""
    size = len(payload)
    width = width or (0 if size < 126 else 2 if size < 65536 else 8)
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | {0: size, 2: 126, 8: 127}[width]))
    head += size.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + payload
    repeated = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class RawSocket:
    """One peer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, codec: Codec = MSGPACK) -> None:
        self.reader = reader
        self.writer = writer
        self.codec = codec

    @classmethod
    async def open(cls, port: int, source: str = "127.0.0.1") -> Self:
        """Connect from an address of this machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24, local_addr=(source, 0))
        return cls(reader, writer)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        """The response's status line and headers."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    def request(
        self, target: str = "/v1/ws", subprotocol: str | None = MSGPACK_PROTOCOL, host: str = "room.example", **headers: str
    ) -> None:
        """Send the opening handshake's request; `Sec_X=…` becomes the header `Sec-X: …`."""
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {KEY}",
            *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        self.send("\r\n".join([*lines, "", ""]).encode())

    async def upgrade(self, subprotocol: str | None = MSGPACK_PROTOCOL, **headers: str) -> bytes:
        """Do the opening handshake."""
        self.codec = JSON if subprotocol == JSON.name else MSGPACK
        self.request(subprotocol=subprotocol, **headers)
        head = await self.head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return head

    async def status(self) -> int:
        """The status of a response, then the end of the socket."""
        head = await self.head()
        async with asyncio.timeout(TIMEOUT_S):
            await self.reader.read()
        return int(head.split(b" ", 2)[1])

    async def receive(self) -> Frame:
        """The next frame of the server.

        Raises:
            asyncio.IncompleteReadError: the socket ended.
        """
        async with asyncio.timeout(TIMEOUT_S):
            first, second = await self.reader.readexactly(2)
            assert not second & 0x80, "a server must not mask"
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return Frame(first & 0x0F, await self.reader.readexactly(size), bool(first & 0x80))

    async def rest(self) -> list[Frame]:
        """All frames up to the end of the socket, which must be a clean one."""
        frames = []
        while True:
            try:
                frames.append(await self.receive())
            except asyncio.IncompleteReadError as end:
                assert not end.partial
                return frames

    async def close_code(self) -> int | None:
        """The code of the close frame with which the server ends the socket."""
        last = (await self.rest())[-1]
        assert last.opcode == CLOSE
        return last.close_code

    # The client protocol.

    def command(self, command: Command) -> None:
        self.send(frame(TEXT if self.codec.text else BINARY, self.codec.encode(command)))

    async def message(self) -> ServerMessage:
        got = await self.receive()
        assert got.opcode == (TEXT if self.codec.text else BINARY), got
        return self.codec.decode_server(got.payload)

    def abort(self) -> None:
        self.writer.transport.abort()
