"""One flood, from a process of its own: `python -m commonroom.bench.flood.attack KIND HOST PORT SOCKETS`, the token on standard input.

It says `under way` once every socket has begun, floods until its input ends, and then says how often a socket was begun. A socket
that the server ends is begun anew, so a flood lasts whatever the server does.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NamedTuple

from commonroom.bench.load.dialect import BINARY, MASK, PING, client_frame
from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.session import Hello
from commonroom.tasks import TaskGroup, pause

__all__ = ["FLOODS", "UNDER_WAY", "Flood", "main", "shake"]

UNDER_WAY: Final = "under way"
READ_LIMIT: Final = 1024
"""Bytes that a socket takes without being read: its kernel buffer fills soon."""

BYTES_PER_S: Final = {"heads": 1, "bodies": 10}
HEAD: Final = b"GET /healthz HTTP/1.1\r\nHost: flood.example\r\nX-Slow: "
BODY: Final = (
    b"POST /v1/guests HTTP/1.1\r\nHost: flood.example\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"  # never comes
)
MALFORMED: Final = (
    client_frame(b"\x93\x08\x00\x07"),  # room.join with a number where the room stands
    client_frame(b"\x92\xcd\x03\xe7\x01"),  # an unknown tag
    client_frame(b"\x95\x10\x00\xa4room\xa0\xa8nonce-01"),  # an empty text
)
FRAMES_EACH: Final = 10
"""Malformed frames of a socket: a thousand sockets send ten thousand."""

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="


class Peer(NamedTuple):
    """A connection of the flood."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def shake(host: str, port: int) -> Peer:
    """Connect and do the opening handshake.

    Raises:
        OSError: it broke, or the answer is not 101.
    """
    peer = Peer(*await asyncio.open_connection(host, port, limit=READ_LIMIT))
    peer.writer.write(
        f"GET /v1/ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: {MSGPACK_PROTOCOL}\r\n\r\n".encode()
    )
    try:
        head = await peer.reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        head = b""
    if not head.startswith(b"HTTP/1.1 101 "):
        peer.writer.transport.abort()
        raise ConnectionRefusedError(f"the handshake was answered {head[:40]!r}")
    return peer


async def pings(peer: Peer) -> None:
    """Pings that are answered to nobody."""
    while True:
        peer.writer.write(client_frame(b"p" * 125, PING) * 100)
        await peer.writer.drain()


async def fragments(peer: Peer) -> None:
    """One message in empty fragments that never ends."""
    peer.writer.write(bytes((BINARY, 0x80)) + MASK)
    while True:
        peer.writer.write((bytes((0, 0x80)) + MASK) * 1000)
        await peer.writer.drain()


async def malformed(peer: Peer) -> None:
    """Ten commands that are none, then silence."""
    for number in range(FRAMES_EACH):
        peer.writer.write(MALFORMED[number % len(MALFORMED)])
        await peer.writer.drain()
        await pause(0)
    await peer.reader.read()


async def heads(peer: Peer) -> None:
    """A request's head, a byte a second."""
    await _dribble(peer, HEAD + b"x" * 8000, BYTES_PER_S["heads"])


async def bodies(peer: Peer) -> None:
    """A request's body, ten bytes a second."""
    peer.writer.write(BODY)
    await _dribble(peer, b" " * 4000, BYTES_PER_S["bodies"])


async def _dribble(peer: Peer, data: bytes, bytes_per_s: float) -> None:
    for byte in data:
        peer.writer.write(bytes((byte,)))
        await peer.writer.drain()
        if peer.reader.at_eof():
            return
        await pause(1 / bytes_per_s)


FLOODS: Final[dict[str, tuple[Callable[[Peer], Awaitable[None]], int]]] = {
    "pings": (pings, 20),
    "fragments": (fragments, 20),
    "malformed": (malformed, 1000),
    "heads": (heads, 500),
    "bodies": (bodies, 100),
}
"""What a socket does, and how many there are."""

BARE: Final = frozenset({"heads", "bodies"})
"""Those that are no WebSockets."""


class Flood:
    """So many sockets of one kind.

    Args:
        where: host and port of the server.
        token: of a guest, for the sockets that say hello; all use it.
        say: told when every socket has begun.
    """

    AGAIN_S: Final = 0.05

    def __init__(self, kind: str, where: tuple[str, int], sockets: int, token: str, say: Callable[[str], None]) -> None:
        self.begun = 0
        self._flood = FLOODS[kind][0]
        self._is_bare = kind in BARE
        self._where = where
        self._sockets = sockets
        self._token = token
        self._say = say
        self._tasks = TaskGroup(lambda name, error: say(f"{name} failed: {error!r}"))

    def start(self) -> None:
        """Begin with all of them."""
        for number in range(self._sockets):
            self._tasks.start(f"socket {number}", self._again())

    async def close(self) -> None:
        """End all of them."""
        await self._tasks.close()

    async def _again(self) -> None:
        while True:
            with suppress(OSError, asyncio.LimitOverrunError):  # the server has had enough of it
                await self._once()
            await pause(self.AGAIN_S)

    async def _once(self) -> None:
        peer = Peer(*await asyncio.open_connection(*self._where, limit=READ_LIMIT)) if self._is_bare else await shake(*self._where)
        try:
            if not self._is_bare:
                peer.writer.write(client_frame(MSGPACK.encode(Hello(1, self._token))))
            self.begun += 1
            if self.begun == self._sockets:
                self._say(UNDER_WAY)
            await self._flood(peer)
        finally:
            peer.writer.transport.abort()


async def _serve(kind: str, host: str, port: int, sockets: int) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    token = (await reader.readline()).decode().strip()
    flood = Flood(kind, (host, port), sockets, token, _say)
    flood.start()
    await reader.read()
    await flood.close()
    _say(str(flood.begun))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """As the module says."""
    kind, host, port, sockets = sys.argv[1:]
    asyncio.run(_serve(kind, host, int(port), int(sockets)))


if __name__ == "__main__":
    main()
