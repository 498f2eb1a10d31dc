"""A whole server under floods: its memory stays where it was, and a witness notices nothing (RELIABILITY W8, R6, R7)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.session import Hello, Welcome
from tests.gateway.socket import BINARY, CONT, PING, RawSocket, frame
from tests.support.client import Guest, Peer, until
from tests.support.leak import CANARY
from tests.support.process import forget_peak, memory
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

MB = 2**20
FLOOD_BYTES = 16 * MB
FLOODS = {
    "a message that is too big": (b"", frame(BINARY, b"m" * MB)),
    "empty fragments": (frame(BINARY, fin=False), frame(CONT, fin=False) * 100_000),
    "pings": (b"", frame(PING, b"p" * 125) * 5000),
    "no commands": (b"", frame(BINARY, b"\x90" * 60_000)),
}


class Attack:
    """Sockets that are welcomed, then flood; some read what comes, some never do."""

    def __init__(self, server: ServerProcess, token: str) -> None:
        self._port = int(server.url.rpartition(":")[2])
        self._token = token

    async def run(self) -> None:
        await asyncio.gather(*(self._flood(*flood, reads=reads) for flood in FLOODS.values() for reads in (True, False)))

    async def _flood(self, first: bytes, again: bytes, *, reads: bool) -> None:
        socket = RawSocket(*await asyncio.open_connection("127.0.0.1", self._port, limit=1024))
        await socket.upgrade()
        socket.send(frame(BINARY, MSGPACK.encode(Hello(1, self._token))))
        assert isinstance(await socket.message(), Welcome)
        reading = asyncio.ensure_future(socket.rest()) if reads else None
        socket.send(first)
        sent = 0
        with suppress(ConnectionError):
            while sent < FLOOD_BYTES and not socket.writer.is_closing():
                socket.send(again)
                sent += len(again)
                await socket.writer.drain()
        socket.abort()
        if reading is not None:
            await asyncio.wait([reading])
            reading.exception()


@pytest.fixture
def environment(own_dsn: str) -> dict[str, str]:
    """A database that is there already: starting one takes longer than the test."""
    return {"COMMONROOM_POSTGRES_URL": own_dsn}


@pytest.fixture
async def witness(server: ServerProcess) -> AsyncIterator[tuple[Peer, str]]:
    guest = await Guest(server.url, "witness").sign_in()
    room, peer = await guest.create_room(), await Peer.open(server.ws_url, await guest.ws_token())
    await peer.request("room.join", room=room)
    yield peer, room
    await peer.close()


async def test_W8_floods_end_at_a_limit_and_take_no_memory(server: ServerProcess, witness: tuple[Peer, str]) -> None:
    peer, room = witness
    attack = Attack(server, await (await Guest(server.url, "eve").sign_in()).ws_token())
    await attack.run()  # what is allocated once, for good, is there now
    before = memory(server.pid, "VmRSS")
    forget_peak(server.pid)
    for turn in range(2):
        attacking = asyncio.ensure_future(attack.run())
        await peer.request("message.send", room=room, text=f"{CANARY} still here", nonce=f"nonce-{turn:04}")
        await attacking
    await until(lambda: len(peer.pushes(room, MessageCreate)) == 2, "the witness's own messages")
    assert memory(server.pid, "VmHWM") - before <= 10 * MB
