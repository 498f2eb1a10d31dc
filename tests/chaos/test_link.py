"""A link forwards, delays, stalls, cuts one way and breaks; what waited arrives late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.client import until
from tests.support.link import Link


class Server:
    """Notes what it is sent and answers each chunk by the same."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ends = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # nobody is there to hear the answer
            while data := await reader.read(100):
                self.heard.append(data)
                writer.write(data)
        self.ends += 1
        writer.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_unix_server(server.serve, tmp_path / "server")
    yield server
    listener.close()
    await listener.wait_closed()


@pytest.fixture
async def link(tmp_path: Path, server: Server) -> AsyncIterator[Link]:
    link = Link(tmp_path / "at" / "socket", tmp_path / "server")
    await link.open()
    yield link
    await link.close()


async def _connect(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(link.at)


async def test_bytes_pass_both_ways(link: Link) -> None:
    reader, writer = await _connect(link)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_a_way_that_is_held_keeps_bytes_until_it_is_healed(link: Link, server: Server) -> None:
    reader, writer = await _connect(link)
    writer.write(b"one")
    await reader.readexactly(3)
    link.down.hold()
    writer.write(b"two")
    await until(lambda: server.heard == [b"one", b"two"], "the way up")
    answer = asyncio.create_task(reader.readexactly(3))
    link.up.hold()
    writer.write(b"six")
    link.down.heal()
    assert await answer == b"two"
    assert server.heard == [b"one", b"two"]
    link.heal()
    assert await reader.readexactly(3) == b"six"
    writer.close()


async def test_what_was_on_its_way_arrives_though_its_sender_gave_up(link: Link, server: Server) -> None:
    reader, writer = await _connect(link)
    writer.write(b"one")
    await reader.readexactly(3)
    link.up.hold()
    writer.write(b"late")
    await writer.drain()
    writer.close()
    link.heal()
    await until(lambda: server.ends == 1, "the end behind all bytes")
    assert server.heard == [b"one", b"late"]


async def test_a_delay_is_slept_for_each_way(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    reader, writer = await _connect(link)
    writer.write(b"one")
    await reader.readexactly(3)
    link.up.delay_s, link.down.delay_s = 0.2, 0.1
    monkeypatch.setattr("tests.support.link.asyncio.sleep", note)
    writer.write(b"two")
    await reader.readexactly(3)
    assert slept == [0.2, 0.1]
    writer.close()


async def test_a_dropped_link_ends_every_connection_and_takes_new_ones(link: Link, server: Server) -> None:
    reader, writer = await _connect(link)
    writer.write(b"one")
    await reader.readexactly(3)
    link.drop()
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    await until(lambda: server.ends == 1, "the server's side")
    reader, writer = await _connect(link)
    writer.write(b"two")
    assert await reader.readexactly(3) == b"two"
    writer.close()
