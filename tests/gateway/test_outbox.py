"""Where a write goes: to the socket, through the transport, nowhere."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest
import uvloop

from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.outbox import Outbox, write_all
from tests.gateway.stage import FakeTransport


def nothing() -> None:
    """Nobody asks."""


class Rig:
    """An outbox over a real socket, and a transport of which we say how much it holds."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.transport = FakeTransport(nothing)
        self.outbox = Outbox(self.transport, self.ours.fileno(), GatewaySettings(), nothing)
        self.outbox.write(b"")

    def fill(self) -> int:
        """Write until the kernel takes nothing more; how much it took."""
        taken = 0
        while True:
            try:
                taken += os.write(self.ours.fileno(), b"-" * 65536)
            except BlockingIOError:
                return taken

    def read(self) -> bytes:
        found = b""
        while True:
            try:
                found += self.theirs.recv(1 << 20)
            except BlockingIOError:
                return found

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made = [Rig() for _ in range(3)]
    yield made
    for rig in made:
        rig.close()


def test_a_write_goes_past_the_transport(rigs: list[Rig]) -> None:
    rigs[0].outbox.write(b"frames")
    assert (rigs[0].read(), bytes(rigs[0].transport.taken)) == (b"frames", b"")


def test_what_the_kernel_does_not_take_goes_through_the_transport_and_all_else_behind_it(rigs: list[Rig]) -> None:
    rig = rigs[0]
    rig.transport.room_bytes = 10**9
    rig.fill()
    rig.outbox.write(b"first,")
    rig.read()
    rig.outbox.write(b"second,")
    assert bytes(rig.transport.taken) == b"first,second,", "the socket has room again, but what is in the transport comes first"
    rig.transport.buffered = 0
    rig.outbox.write(b"third")
    assert (bytes(rig.transport.taken), rig.read()) == (b"first,second,", b"third")


def test_a_frame_that_fits_in_part_is_cut_without_loss(rigs: list[Rig]) -> None:
    rig = rigs[0]
    rig.transport.room_bytes = 10**9
    frame = bytes(range(256)) * 40_000
    rig.outbox.write(frame)
    assert 0 < rig.transport.buffered < len(frame)
    assert rig.read() + bytes(rig.transport.taken) == frame


def test_nothing_overtakes_the_answer_to_the_handshake() -> None:
    transport = FakeTransport(nothing)
    transport.buffered = 10
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Outbox(transport, ours.fileno(), GatewaySettings(), nothing).write(b"welcome")
        assert bytes(transport.taken) == b"welcome"


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_cannot_be_written_to_costs_no_other_a_byte(rigs: list[Rig], place: int, broken: bool) -> None:
    rigs[place].transport.room_bytes = 10**9
    if broken:
        rigs[place].theirs.close()
    else:
        rigs[place].fill()
    for _ in range(2):
        write_all([rig.outbox for rig in rigs], b"frames")
    assert bytes(rigs[place].transport.taken) == b"framesframes"
    assert all(rig.read() == b"framesframes" for number, rig in enumerate(rigs) if number != place)


def test_a_closed_one_takes_nothing(rigs: list[Rig]) -> None:
    closed, other = rigs[:2]
    closed.outbox.close()
    write_all([closed.outbox, other.outbox], b"frames")
    closed.outbox.write(b"frames")
    closed.outbox.queue(b"frames", 0)
    assert (closed.read(), bytes(closed.transport.taken), other.read()) == (b"", b"", b"frames")


class Silent(asyncio.Protocol):
    """Keeps the order in which it is told things."""

    def __init__(self) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self.open_at_the_end = False
        self.number = -1

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            socket.socket(fileno=socket.dup(self.number)).close()
            self.open_at_the_end = True
        finally:
            self.lost.set_result(None)


@pytest.mark.parametrize("end", ["abort", "close", "peer"])
def test_the_socket_is_open_until_its_protocol_has_heard_of_its_end(end: str) -> None:
    """The invariant on which writing past the transport rests: no number of a closed socket is ever written to."""

    async def run() -> bool:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(Silent, sock=ours)
        protocol.number = transport.get_extra_info("socket").fileno()
        assert os.write(protocol.number, b"x") == 1
        if end == "peer":
            theirs.close()
        else:
            getattr(transport, end)()
        await protocol.lost
        theirs.close()
        return protocol.open_at_the_end

    assert uvloop.run(run())
