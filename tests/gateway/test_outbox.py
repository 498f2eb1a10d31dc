"""Where a write goes: to the socket, through the transport, nowhere."""

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.outbox import Outbox, sender, write_all
from tests.gateway.stage import FakeTransport


def nothing() -> None:
    """Nobody asks."""


def outbox(send: Callable[[bytes], int] | None = None) -> tuple[Outbox, FakeTransport]:
    transport = FakeTransport(nothing)
    return Outbox(transport, send or transport.send, GatewaySettings(), nothing), transport


def full(_data: bytes) -> int:
    raise BlockingIOError


def broken(_data: bytes) -> int:
    raise ConnectionResetError


def test_what_the_kernel_does_not_take_goes_through_the_transport_in_order() -> None:
    box, transport = outbox()
    box.write(b"first,")
    transport.room_bytes = 1000
    box.write(b"second,")
    assert transport.buffered == len(b"second,") - 3
    box.write(b"third,")
    transport.room_bytes, transport.buffered = None, 0
    box.write(b"fourth")
    assert bytes(transport.taken) == b"first,second,third,fourth"
    assert transport.buffered == 0, "with the transport empty a write goes to the socket again"


def test_nothing_overtakes_what_is_in_the_transport_already() -> None:
    transport = FakeTransport(nothing)
    transport.buffered = 10  # the handshake's answer
    box = Outbox(transport, broken, GatewaySettings(), nothing)
    box.write(b"welcome")
    assert (bytes(transport.taken), transport.buffered) == (b"welcome", 10)


@pytest.mark.parametrize("fails", [full, broken])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_cannot_be_written_to_costs_no_other_a_byte(fails: Callable[[bytes], int], place: int) -> None:
    pairs = [outbox(fails if number == place else None) for number in range(3)]
    for _ in range(2):
        write_all([box for box, _ in pairs], b"frames")
        for number, (_, transport) in enumerate(pairs):
            assert bytes(transport.taken) == b"frames"
            transport.taken.clear()
            assert transport.writes == 0 or number != place


def test_a_closed_one_takes_nothing() -> None:
    (open_box, open_transport), (closed_box, closed_transport) = outbox(), outbox()
    closed_box.close()
    write_all([closed_box, open_box], b"frames")
    closed_box.write(b"frames")
    closed_box.queue(b"frames", 0)
    assert (bytes(closed_transport.taken), bytes(open_transport.taken)) == (b"", b"frames")


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
        assert sender(transport)(b"x") == 1
        if end == "peer":
            theirs.close()
        else:
            getattr(transport, end)()
        await protocol.lost
        theirs.close()
        return protocol.open_at_the_end

    assert uvloop.run(run())
