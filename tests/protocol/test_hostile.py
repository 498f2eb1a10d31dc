"""Whatever the bytes, decoding ends in a command, a refusal or BadFrame (RELIABILITY R9, R10, A5)."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from commonroom.codes import ErrorCode
from commonroom.errors import BadFrame, row_of
from commonroom.protocol.codec import JSON, MSGPACK, Codec, Rejected
from commonroom.protocol.wire import Command
from tests.protocol.strategies import KINDS, messages

COMMANDS = st.one_of(*(messages(struct) for direction, _, struct in KINDS if direction == "command"))
SEND = msgspec.msgpack.encode([16, 7, "room", "text", "nonce-01"])
DEPTH = 100_000


def decode(codec: Codec, data: bytes) -> Command | Rejected | None:
    """None for BadFrame; any other exception is the test's failure."""
    try:
        return codec.decode(data)
    except BadFrame:
        return None


def behind_send(item: bytes) -> bytes:
    """A valid `message.send` with one more item, which a decoder must step over."""
    return b"\x96" + SEND[1:] + item


NESTED = {
    "arrays alone": b"\x91" * DEPTH,
    "maps alone": b"\x81\xa1a" * DEPTH,
    "closed arrays": b"\x91" * DEPTH + b"\xc0",
    "arrays in an unknown field": behind_send(b"\x91" * DEPTH + b"\xc0"),
    "maps in an unknown field": behind_send(b"\x81\xa1a" * DEPTH + b"\xc0"),
    "arrays where text belongs": b"\x95\x10\x07\xa4room" + b"\x91" * DEPTH + b"\xc0\xa8nonce-01",
}


@pytest.mark.parametrize("data", NESTED.values(), ids=NESTED.keys())
def test_deep_nesting_is_no_command(data: bytes) -> None:
    assert not isinstance(decode(MSGPACK, data), Command)


BYTES = {
    "nothing": b"",
    "reserved byte": b"\xc1",
    "bad UTF-8 as text": b"\x95\x10\x07\xa4room\xa2\xc3\x28\xa8nonce-01",
    "lone surrogate": b"\x95\x10\x07\xa4room\xa3\xed\xa0\x80\xa8nonce-01",
    "64 KiB of empty arrays": b"\xdc\xff\xff" + b"\x90" * 65_535,
    "2^32-1 items": b"\xdd\xff\xff\xff\xff",
    "2^32-1 pairs": b"\xdf\xff\xff\xff\xff",
    "2^32-1 bytes": b"\xdb\xff\xff\xff\xff",
    "timestamp out of range": b"\xc7\x0c\xff" + b"\xff" * 12,
    "map with an int key": b"\x81\x01\x02",
    "map with a list key": b"\x81\x90\x02",
    "map with a NaN key": b"\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01",
    "trailing byte": SEND + b"\x00",
    "two messages": SEND + SEND,
}


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES.keys())
def test_malformed_bytes_are_no_command(data: bytes) -> None:
    assert not isinstance(decode(MSGPACK, data), Command)


UNKNOWN = {
    "int key": b"\x81\x01\x01",
    "list key": b"\x81\x90\x01",
    "NaN key": b"\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01",
    "bad UTF-8": b"\xa2\xc3\x28",
    "extension": b"\xc7\x00\x05",
    "timestamp out of range": b"\xc7\x0c\xff" + b"\xff" * 12,
}


@pytest.mark.parametrize("item", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_oddities_in_a_field_of_the_future_do_no_harm(item: bytes) -> None:
    decode(MSGPACK, behind_send(item))


def test_a_message_truncated_at_every_byte_is_no_command() -> None:
    assert [size for size in range(len(SEND)) if isinstance(decode(MSGPACK, SEND[:size]), Command)] == []


JSON_TEXTS = {
    "nothing": "",
    "object": '{"$ne": 1}',
    "arrays": "[" * DEPTH,
    "objects": '{"a":' * DEPTH,
    "a number of 100,000 digits": f'[16,{"9" * 100_000},"room","text","nonce-01"]',
    "NaN": '[16,NaN,"room","text","nonce-01"]',
    "1e400": '[16,1e400,"room","text","nonce-01"]',
    "lone surrogate": '[16,7,"room","\\ud800","nonce-01"]',
    "raw control character": '[16,7,"room","\n","nonce-01"]',
    "object where text belongs": '[16,7,"room",{"a":1},"nonce-01"]',
    "trailing text": "[3,0] x",
}


@pytest.mark.parametrize("text", JSON_TEXTS.values(), ids=JSON_TEXTS.keys())
def test_malformed_json_is_no_command(text: str) -> None:
    assert not isinstance(decode(JSON, text.encode()), Command)


def test_json_that_is_not_utf8_is_no_command() -> None:
    assert decode(JSON, b'[16,7,"room","\xc3\x28","nonce-01"]') is None


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    decode(MSGPACK, data)
    decode(JSON, data)


@settings(max_examples=500, deadline=None)
@given(COMMANDS, st.data())
def test_a_command_with_broken_bytes_raises_nothing_else(command: Struct, data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from([MSGPACK, JSON]))
    encoded = bytearray(codec.encode(command))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    decode(codec, bytes(encoded))


def test_a_wrong_field_is_answered_under_its_ref() -> None:
    answer = decode(MSGPACK, msgspec.msgpack.encode([16, 7, "room", "", "nonce-01"]))
    assert isinstance(answer, Rejected)
    assert answer.ref == 7
    assert row_of(answer.error).code is ErrorCode.INVALID
    assert "$[3]" in getattr(answer.error, "field", "")


def test_an_unknown_tag_is_answered_under_its_ref() -> None:
    answer = decode(MSGPACK, msgspec.msgpack.encode([999, 7]))
    assert isinstance(answer, Rejected)
    assert answer.ref == 7


@pytest.mark.parametrize("ref", [None, "7", 1.5, [], -1, 2**31, 2**64 - 1])
def test_an_illegible_ref_is_a_bad_frame_or_a_refusal(ref: object) -> None:
    assert not isinstance(decode(MSGPACK, msgspec.msgpack.encode([16, ref, "room", "text", "nonce-01"])), Command)


def test_a_refusal_never_repeats_the_payload() -> None:
    answer = decode(MSGPACK, msgspec.msgpack.encode([1, 7, {"secret": "hunter2"}]))
    assert isinstance(answer, Rejected)
    assert "hunter2" not in str(answer.error)
