"""Server frames, checked against an independent parser of RFC 6455."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from commonroom.protocol.frame import BINARY, TEXT, frame


def parsed(data: bytes) -> list[Frame]:
    client = ClientProtocol(parse_uri("ws://server/"), state=OPEN, max_size=None)
    client.receive_data(data)
    return [event for event in client.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000])
def test_a_payload_of_any_size_is_one_final_frame(size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    assert parsed(frame(payload)) == [Frame(Opcode.BINARY, payload, fin=True)]


def test_text_frames_say_so() -> None:
    assert [event.opcode for event in parsed(frame(b"[3,0]", TEXT))] == [Opcode.TEXT]
    assert (TEXT, BINARY) == (Opcode.TEXT, Opcode.BINARY)


def test_frames_may_be_joined_into_one_write() -> None:
    assert [event.data for event in parsed(frame(b"one") + frame(b"x" * 300) + frame(b"three"))] == [b"one", b"x" * 300, b"three"]


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_the_length_takes_the_shortest_form(size: int, head: int) -> None:
    assert len(frame(b"x" * size)) == size + head
