"""What the bench says is what a server of each kind understands, and what it reads is what they say."""

from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from commonroom.bench.load.dialect import BINARY, TEXT, Commonroom, Decoded, Dialect, PlainWebSocket, SocketIo, client_frame
from commonroom.bench.load.payload import compose
from commonroom.bench.load.stream import Flaws, Seen, Start, StreamCheck
from commonroom.identity import Principal
from commonroom.protocol.cast import CastSend
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import MSGPACK
from commonroom.protocol.frame import frame
from commonroom.protocol.presence import PresenceSnapshot
from commonroom.protocol.room import Gap, Joined, Recovery, RoomInfo, RoomReset
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import StreamPosition

ADA = Principal("guest", "ada")
TEXT_128 = compose(3, 1, 5, 128)


def understood(data: bytes) -> tuple[int, bytes]:
    """The frame as a server's WebSocket library reads it."""
    server = Protocol(Side.SERVER)
    server.receive_data(data)
    (found,) = server.events_received()
    assert isinstance(found, Frame)
    return found.opcode, bytes(found.data)


def joined(recovery: Recovery, offset: int, gap: Gap | None = None) -> Joined:
    info = RoomInfo("study", "Room", "", "en", "public", 1, ADA)
    position, presence = StreamPosition(1, offset), PresenceSnapshot("a", 1, 0, [])
    return Joined(2, "room", position, recovery, gap, info, "participant", presence, None, [], [])


@pytest.mark.parametrize("size", [0, 125, 126, 65535])
def test_a_client_frame_of_any_length_is_read_by_a_server(size: int) -> None:
    assert understood(client_frame(b"x" * size)) == (Opcode.BINARY, b"x" * size)


def test_ours_casts_what_is_volatile_and_sends_what_is_durable() -> None:
    cast = MSGPACK.decode(understood(Commonroom(durable=False).publish("room", TEXT_128, 9))[1])
    sent = MSGPACK.decode(understood(Commonroom(durable=True).publish("room", TEXT_128, 9))[1])
    assert cast == CastSend(9, "room", "", TEXT_128)
    assert sent == MessageSend(9, "room", TEXT_128, TEXT_128[:40])


@pytest.mark.parametrize(
    ("room", "names_room", "path"),
    [("01hroom", True, "/v1/ws/01hroom"), ("a/b c?", True, "/v1/ws/a%2Fb%20c%3F"), ("", True, "/v1/ws"), ("01hroom", False, "/v1/ws")],
)
def test_ours_names_its_room_in_the_path_when_it_shall_and_has_one(room: str, names_room: bool, path: str) -> None:
    assert Commonroom(durable=True, names_room=names_room).path(room) == path


def test_who_is_placed_on_purpose_names_no_room() -> None:
    assert Decoded(durable=True).path("01hroom") == Commonroom(durable=True).path("01hroom") == "/v1/ws"


def test_no_two_messages_of_a_run_have_one_nonce() -> None:
    speech = Commonroom(durable=True)
    large = (0xFFFFF, 2**20), (0xFFFFF, 2**20 + 1), (0xFFFFE, 2**20)
    frames = [understood(speech.publish("room", compose(*who, 2**44, 128), 9))[1] for who in large]
    nonces = {command.nonce for command in map(MSGPACK.decode, frames) if isinstance(command, MessageSend)}
    assert len(nonces) == 3


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (joined("fresh", 7), Start(7, 0, joined("fresh", 7))),
        (joined("recovered", 7), Start(None, 0, joined("recovered", 7))),
        (joined("gap", 9, Gap(3, 7)), Start(7, 5, joined("gap", 9, Gap(3, 7)))),
    ],
    ids=["fresh", "recovered", "gap"],
)
def test_each_way_of_being_let_in_says_from_where_to_count(answer: Joined, start: Start) -> None:
    assert Commonroom(durable=True).read(BINARY, MSGPACK.encode(answer)) == start


def test_events_that_could_not_be_replayed_are_lost_and_those_after_them_are_expected() -> None:
    check = StreamCheck(Commonroom(durable=True))
    state = check.again(check.start(2), 2)
    step = check.step(state, frame(MSGPACK.encode(joined("gap", 9, Gap(3, 7)))))
    assert (step.flaws, step.state.offset) == (Flaws(lost=5), 7)
    events = [frame(MSGPACK.encode(MessageCreate("room", offset, 1, ADA, None, compose(1, offset + 20, 1, 64)))) for offset in (8, 9)]
    assert check.step(step.state, b"".join(events)).flaws is None


def test_what_concerns_one_reader_alone_is_handed_to_it() -> None:
    speech = Commonroom(durable=False)
    for message in (Reply(7), RoomReset("room")):
        assert speech.read(BINARY, MSGPACK.encode(message)) == message
    assert speech.read(9, b"ping") == (9, b"ping")


@pytest.mark.parametrize("dialect", [PlainWebSocket(), SocketIo()], ids=["plain", "socketio"])
def test_a_peer_that_echoes_the_frame_is_read(dialect: Dialect) -> None:
    opcode, payload = understood(dialect.publish("room", TEXT_128, 0))
    assert dialect.read(opcode, payload) == Seen(TEXT_128, 0)


@pytest.mark.parametrize("payload", [b'42["m"', b"42[1]", b'42["m",7]', b"42"])
def test_an_event_of_socket_io_that_is_not_ours_is_corruption_and_no_error(payload: bytes) -> None:
    check = StreamCheck(SocketIo())
    assert check.step(check.start(None), frame(payload, TEXT)).flaws == Flaws(corrupted=1)


@pytest.mark.parametrize("packet", [b"0{}", b"2", b'40{"sid":"x"}'])
def test_the_packets_around_socket_io_are_personal(packet: bytes) -> None:
    check = StreamCheck(SocketIo())
    personal: tuple[Any, ...] = check.step(check.start(None), frame(packet, TEXT)).personal
    assert personal == ((TEXT, packet),)
