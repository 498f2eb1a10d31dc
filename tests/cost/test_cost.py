"""A guard for the hot path that no noisy machine can fool: counted calls, not time.

Every budget stands a little above what is measured today (in the comment). Who exceeds one on purpose
runs `commonroom bench compare` before and after, and raises it with the reason.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from commonroom.engine.address import Address
from commonroom.engine.envelope import Envelope
from commonroom.identity import Principal
from commonroom.protocol.cast import Cast, CastSend
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.frame import frame
from commonroom.protocol.typing import TypingStop
from tests.actors.stage import Device
from tests.actors.stage import Stage as Rooms
from tests.cost.counting import calls, calls_each
from tests.gateway.stage import Stage


@pytest.fixture
def sockets() -> Iterator[Callable[[], socket.socket]]:
    """Makes one end of a pair that takes what is written."""
    with ExitStack() as stack:

        def make() -> socket.socket:
            ours, theirs = socket.socketpair()
            stack.enter_context(theirs)
            ours.setblocking(False)
            return stack.enter_context(ours)

        yield make


def fanout(sockets: Callable[[], socket.socket], readers: int, pushes: int = 1) -> Callable[[], object]:
    """One flush of a room with so many readers on real sockets."""
    stage = Stage()
    for reader in stage.live(*(f"r{number}" for number in range(readers))):
        reader.outbox.fd = sockets().fileno()
    publications = [stage.room.volatile() for _ in range(pushes)]

    def flush() -> None:
        stage.send(*publications)

    return flush


def test_one_more_reader_costs_no_call_beyond_the_write(sockets: Callable[[], socket.socket]) -> None:
    """`os.write` is called by `map`, which is not seen here: 0.0."""
    assert calls_each(lambda readers: fanout(sockets, readers)) <= 0.1


def test_a_flush_costs_a_bounded_number_of_calls(sockets: Callable[[], socket.socket]) -> None:
    """43 with one push."""
    assert calls(fanout(sockets, 20)) <= 48


def test_one_more_push_in_a_flush_costs_few_calls_whatever_the_readers(sockets: Callable[[], socket.socket]) -> None:
    """6: publish and frame."""
    assert calls_each(lambda pushes: fanout(sockets, 30, pushes)) <= 7


def commands(rooms: Rooms, device: Device, room: str, count: int, *, cast: bool) -> Callable[[], object]:
    def send() -> None:
        for ref in range(1, count + 1):
            command = CastSend(ref, room, "", "x" * 128) if cast else TypingStop(ref, room)
            rooms.host.deliver(Envelope(Address("room", room), command, device.authority, None, device.session))
        rooms.settle()

    return send


@pytest.mark.parametrize("cast", [False, True])
def test_a_volatile_command_costs_a_bounded_number_of_calls_from_mailbox_to_outputs(cast: bool) -> None:
    """TypingStop: 40.1; a cast: 46.1, with its push."""
    with Rooms() as rooms:
        device = rooms.person("Ada")
        room = rooms.room(device)
        device.join(room)
        each = calls_each(lambda count: commands(rooms, device, room, count, cast=cast))
        assert each <= (50 if cast else 44)


@pytest.mark.parametrize("size", [1, 1024])
def test_the_codec_is_one_call_into_c_whatever_the_size(size: int) -> None:
    """decode: 4, the counter's own two among them; encode: 3; frame: 5."""
    command = MSGPACK.encode(MessageSend(1, "room", "x" * size, "nonce-0001"))
    push = Cast("room", Principal("guest", "ada"), "", "x" * size)
    assert calls(lambda: MSGPACK.decode(command)) <= 4
    assert calls(lambda: MSGPACK.encode(push)) <= 3
    assert calls(lambda: frame(command)) <= 5
