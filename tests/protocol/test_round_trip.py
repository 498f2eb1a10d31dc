"""Whatever can be said arrives as it was said, in both subprotocols."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect as ins

from commonroom.protocol.codec import JSON, MSGPACK, Codec, decode_event, encode_event
from commonroom.protocol.wire import DurablePush
from tests.protocol.strategies import KINDS, NAMES, messages

CODECS = pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=lambda codec: codec.name)


@CODECS
@pytest.mark.parametrize(("direction", "name", "struct"), KINDS, ids=NAMES)
def test_a_message_survives_encoding_and_decoding(codec: Codec, direction: str, name: str, struct: ins.StructType) -> None:
    decode = codec.decode if direction == "command" else codec.decode_server

    @settings(max_examples=25, deadline=None)
    @given(messages(struct))
    def survives(message: object) -> None:
        assert decode(codec.encode(message)) == message  # type: ignore[arg-type]

    survives()


@settings(max_examples=100, deadline=None)
@given(st.one_of(*(messages(struct) for _, _, struct in KINDS if issubclass(struct.cls, DurablePush))))
def test_a_durable_event_on_disk_is_its_frame_on_the_wire(event: DurablePush) -> None:
    payload = encode_event(event)
    assert payload == MSGPACK.encode(event)
    assert decode_event(payload) == event
