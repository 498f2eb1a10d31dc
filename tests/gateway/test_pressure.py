"""Peers that flood, do not read, or vanish: bounded memory, and a witness that notices nothing."""

import asyncio
import socket as sockets
import struct

import pytest

from commonroom.codes import CloseCode
from commonroom.engine.gateway.connection import SLICE_BYTES, Connection
from commonroom.engine.gateway.sockets import Sockets
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.presence import PresenceReset, PresenceUpdate
from commonroom.protocol.room import Joined, RoomJoin
from commonroom.protocol.session import Hello, ResumeAt
from commonroom.protocol.typing import Typing, TypingStart
from commonroom.protocol.wire import StreamPosition
from tests.gateway.conftest import MakeRig
from tests.gateway.rig import Rig, until
from tests.gateway.socket import BINARY, CONT, PING, PONG, RawSocket, frame
from tests.gateway.stage import View, truth

KB = 1024


def accepted(rig: Rig) -> list[Connection]:
    """The server's side of the open sockets."""
    ports: list[Sockets] = [listener.sockets for listener in rig.gateway._listeners]
    return [connection for port in ports for connection in port.open]


async def flood(socket: RawSocket, data: bytes) -> None:
    """Write until the server takes no more, for as long as the socket lives."""
    try:
        while not socket.writer.is_closing():
            socket.send(data)
            await socket.writer.drain()
    except ConnectionError:
        return


async def deaf(rig: Rig, port: int, subprotocol: str | None) -> RawSocket:
    """A peer that reads only when told to, with small kernel buffers at both ends."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4 * KB)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    before = accepted(rig)
    socket = rig.owned(RawSocket(*await asyncio.open_connection(sock=raw, limit=KB)))
    await socket.upgrade(subprotocol)
    [connection] = [one for one in accepted(rig) if one not in before]
    own: sockets.socket = connection._transport.get_extra_info("socket")
    own.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 8 * KB)
    return socket


async def deaf_member(rig: Rig) -> Connection:
    """A deaf peer in the room `quiet`; the server's side of it."""
    before = accepted(rig)
    socket = await deaf(rig, rig.gateway.port, MSGPACK_PROTOCOL)
    socket.command(Hello(1, "deaf"))
    socket.command(RoomJoin(2, "quiet"))
    members = rig.gateway.count(rig.router.room().address) + 1
    await until(lambda: rig.gateway.count(rig.router.room().address) == members)
    return next(one for one in accepted(rig) if one not in before)


async def test_W8_a_ping_flood_that_is_never_read_stops_being_read(make_rig: MakeRig) -> None:
    """The library queues a pong for each ping: without a pause they would pile up."""
    rig = await make_rig(control_frames_per_minute=10**9)
    socket = await deaf(rig, rig.gateway.echo_port, None)
    [connection] = accepted(rig)
    flooding = asyncio.get_running_loop().create_task(flood(socket, frame(PING, b"p" * 100) * 1000))
    await until(lambda: connection.outbox.congested)
    for _ in range(200):
        await asyncio.sleep(0)
    owed = connection.outbox.owed_bytes
    assert owed < 64 * KB + 256 * KB + 16 * KB
    for _ in range(200):
        await asyncio.sleep(0)
    assert connection.outbox.owed_bytes == owed
    rig.advance(18.75)
    assert rig.gateway.stats.closes == {CloseCode.SLOW_READER: 1}
    rig.advance(2)
    await flooding


FLOODS: dict[str, tuple[bytes, bytes, int]] = {
    "64 KiB and a byte": (b"", frame(BINARY, b"m" * (64 * KB + 1)), 1009),
    "a byte at a time": (frame(BINARY, b"m", fin=False), frame(CONT, b"m", fin=False) * 100, 1009),
    "100 fragments": (frame(BINARY, fin=False), frame(CONT, b"m" * 656, fin=False) * 100, 1009),
    "empty fragments": (frame(BINARY, fin=False), frame(CONT, fin=False) * 100_000, 1009),
    "pings among fragments": (frame(BINARY, fin=False), frame(PING, b"p" * 125) * 1000 + frame(CONT, fin=False), 1008),
    "pings": (b"", frame(PING, b"p" * 125) * 1000, 1008),
    "empty pings": (b"", frame(PING) * 10_000, 1008),
    "pongs": (b"", frame(PONG, b"p" * 125) * 1000, 1008),
    "no frames": (b"", bytes(100_000), 1002),
    "unmasked frames": (b"", frame(BINARY, b"m", mask=None) * 10_000, 1002),
    "no commands": (b"", frame(BINARY, b"\xc1" * 100) * 1000, CloseCode.BAD_FRAME),
    "empty messages": (b"", frame(BINARY) * 10_000, CloseCode.BAD_FRAME),
    "bad commands": (b"", frame(BINARY, MSGPACK.encode(RoomJoin(9, ""))) * 1000, CloseCode.TOO_MANY_ERRORS),
}
"""What comes once, what comes again and again, and the code at the end."""


@pytest.mark.parametrize(("first", "again", "code"), FLOODS.values(), ids=FLOODS.keys())
async def test_W8_a_flood_ends_its_session_at_a_limit_and_a_witness_notices_nothing(
    rig: Rig, first: bytes, again: bytes, code: int
) -> None:
    witness, socket = await rig.joined("witness"), await rig.hello("eve")
    socket.send(first)
    flooding = asyncio.get_running_loop().create_task(flood(socket, again))
    assert await socket.close_code() == code
    socket.abort()
    await flooding
    assert rig.gateway.stats.closes == {code: 1}
    rig.router.say(rig.router.room())
    assert isinstance(await witness.message(), MessageCreate)


async def test_a_client_may_ping_every_second_for_hours(rig: Rig) -> None:
    socket = await rig.echo()
    for _ in range(2000):
        socket.send(frame(PING) + frame(PONG))
        assert (await socket.receive()).opcode == PONG
        rig.advance(1)


async def test_a_large_read_is_parsed_in_slices_so_that_others_get_their_turn(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = await make_rig(control_frames_per_minute=10**9)
    sizes: list[int] = []
    take = Connection._take

    def measured(connection: Connection, data: bytes) -> None:
        sizes.append(len(data))
        take(connection, data)

    monkeypatch.setattr(Connection, "_take", measured)
    witness, flooder = await rig.joined("witness"), await rig.echo()
    flooder.send(frame(PING) * 20_000)
    witness.command(TypingStart(0, "quiet"))
    assert isinstance(await witness.message(), Typing)
    for _ in range(20_000):
        await flooder.receive()
    assert max(sizes) == SLICE_BYTES


async def test_a_slow_reader_is_closed_and_a_witness_misses_nothing(make_rig: MakeRig) -> None:
    rig = await make_rig(outbox_bytes=300_000)
    room, witness = rig.router.room(), await rig.joined("witness")
    await deaf_member(rig)
    said = 0
    while rig.gateway.count(room.address) == 2 and said < 2000:
        rig.router.say(room, "x" * 4000)
        said += 1
        message = await witness.message()
        assert isinstance(message, MessageCreate)
        assert message.offset == said
    assert rig.gateway.stats.closes == {CloseCode.SLOW_READER: 1}
    assert 300_000 / 4100 < said < 2000
    rig.router.say(room)
    message = await witness.message()
    assert isinstance(message, MessageCreate)
    assert message.offset == said + 1


async def test_a_stalled_reader_is_closed_after_the_stall_timeout_and_a_slow_one_is_not(make_rig: MakeRig) -> None:
    rig = await make_rig(write_high_bytes=16 * KB, heartbeat_s=1000)
    room = rig.router.room()
    connection = await deaf_member(rig)
    slow = rig.sockets[-1]
    while connection.outbox.owed_bytes < 400 * KB and room.head < 2000:
        rig.router.say(room, "x" * 4000)
        await asyncio.sleep(0)
    assert not connection._transport.is_reading(), "reading goes on while the write buffer is high"
    for _ in range(3):
        rig.advance(14)
        before = connection.outbox.owed_bytes
        while connection.outbox.owed_bytes == before:
            await slow.receive()
            await asyncio.sleep(0)
        rig.advance(0.5)
    assert rig.gateway.stats.closes == {}
    rig.advance(19)
    assert rig.gateway.stats.closes == {CloseCode.SLOW_READER: 1}


async def test_one_slow_reader_costs_the_others_nothing_and_ends_with_the_truth(make_rig: MakeRig) -> None:
    rig = await make_rig(write_high_bytes=16 * KB, outbox_bytes=4_000_000)
    room, stats = rig.router.room(), rig.gateway.stats
    others = [await rig.joined(f"quick{number}") for number in range(3)]
    connection = await deaf_member(rig)
    slow = rig.sockets[-1]
    turns = 0
    while connection.outbox.kept_bytes < 200 * KB and turns < 2000:
        turns += 1
        for push in (room.append("x" * 1000), room.typed(f"p{turns % 5}", turns % 2 == 0), room.moved(f"p{turns % 7}")):
            rig.gateway.publish(room.address, push)
        for other in others:
            got = [await other.message() for _ in range(3)]
            assert [type(one) for one in got] == [MessageCreate, Typing, PresenceUpdate]
            assert isinstance(got[0], MessageCreate)
            assert got[0].offset == turns
    assert stats.conflated > 0
    assert (stats.stale_marks, stats.resyncs) == (1, 0)
    seen = [await slow.message()]
    while seen[-1] != PresenceReset(room.name, room.presence()):
        seen.append(await slow.message())
    assert View(seen) == truth(room)
    assert len([one for one in seen if isinstance(one, PresenceReset)]) == stats.resyncs == 1
    assert len([one for one in seen if isinstance(one, Typing)]) < turns / 2
    await until(lambda: not connection.outbox.congested)
    rig.gateway.publish(room.address, room.moved("last"))
    assert isinstance(await slow.message(), PresenceUpdate)
    assert stats.closes == {}


async def test_a_reader_over_the_hard_limit_is_closed_in_time_and_resumes_with_nothing_lost(make_rig: MakeRig) -> None:
    rig = await make_rig(write_high_bytes=16 * KB, outbox_bytes=300_000)
    room, stats = rig.router.room(), rig.gateway.stats
    room.ring = 50
    connection = await deaf_member(rig)
    slow = rig.sockets[-1]
    most = 0
    while not connection.is_closing() and room.head < 2000:
        rig.router.say(room, "x" * 4000)
        await asyncio.sleep(0)
        most = max(most, connection.outbox.owed_bytes)
    assert stats.slow_closes == 1
    assert 300_000 - 4100 < most <= 300_000 + 4100, "the limit and one batch"
    *frames, close = await slow.rest()
    assert close.close_code == CloseCode.SLOW_READER
    before = View(slow.codec.decode_server(one.payload) for one in frames)
    assert before.position < room.head
    again = await rig.hello("deaf", resume=[ResumeAt(room.name, StreamPosition(1, before.position))])
    joined = await again.message()
    assert isinstance(joined, Joined)
    assert joined.recovery == "recovered"
    for offset in range(before.position + 1, room.head + 1):
        message = await again.message()
        assert isinstance(message, MessageCreate)
        assert message.offset == offset


async def test_peers_that_vanish_while_written_to_harm_nobody(rig: Rig) -> None:
    room, witness = rig.router.room(), await rig.joined("witness")
    for number in range(10):
        gone = await rig.joined(f"gone{number}")
        raw = gone.writer.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        gone.abort()
    for offset in range(1, 101):
        rig.router.say(room, "x" * 4000)
        message = await witness.message()
        assert isinstance(message, MessageCreate)
        assert message.offset == offset
    await until(lambda: rig.gateway.stats.connections == 1)
    assert len(room.roster) == 1
