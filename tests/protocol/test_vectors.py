"""The golden vectors mean in Python what they say. The client's tests read the same files."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect as ins

from commonroom.errors import BadFrame
from commonroom.protocol import codec
from commonroom.protocol.codegen import model, sample
from commonroom.protocol.codegen.typescript import camel

FOLDER = Path(codec.__file__).parent / "vectors"
REFUSED = (BadFrame, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def load(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert rows
    return rows


def type_of(vector: dict[str, Any]) -> ins.StructType:
    return (model.commands() if vector["direction"] == "command" else model.server_messages())[vector["name"]]


def read(vector: dict[str, Any], codec_: codec.Codec = codec.MSGPACK, form: str = "hex") -> Any:
    data = bytes.fromhex(vector["hex"]) if form == "hex" else vector["json"].encode()
    return codec_.decode(data) if vector["direction"] == "command" else codec_.decode_server(data)


def value(vector: dict[str, Any], message: Any) -> Any:
    return msgspec.to_builtins(sample.named(type_of(vector), message, camel))


def test_every_message_reads_as_its_value_in_both_subprotocols() -> None:
    for vector in load("messages"):
        assert value(vector, read(vector)) == vector["value"], vector["case"]
        assert value(vector, read(vector, codec.JSON, "json")) == vector["value"], vector["case"]


def test_every_type_has_a_minimal_a_full_and_a_boundary_vector() -> None:
    have = {(vector["direction"], vector["name"], vector["case"]) for vector in load("messages")}
    cases = ("minimal", "full", "boundary")
    wanted = {("command", name, case) for name in model.commands() for case in cases}
    wanted |= {("server", name, case) for name in model.server_messages() for case in cases}
    assert wanted <= have


def test_older_and_newer_encodings_are_understood() -> None:
    for vector in load("decode_only"):
        if vector["name"] is not None:
            assert value(vector, read(vector)) == vector["value"], f"{vector['name']} {vector['case']}"


def test_encodings_that_were_current_once_still_read_the_same() -> None:
    """Types are append-only: a field may be added, none may change or go."""
    for vector in load("earlier"):
        today = value(vector, read(vector))
        assert within(today, vector["value"]) == vector["value"], vector["name"]


def within(today: Any, then: Any) -> Any:
    """As much of it as was known then: structs, nested ones too, have grown at their ends."""
    if isinstance(then, list):
        return [within(item, known) for item, known in zip(today, then, strict=True)]
    if isinstance(then, dict):
        return {field: within(today.get(field), known) for field, known in then.items()}
    return today


def test_a_changed_field_would_be_noticed_by_the_earlier_encodings() -> None:
    class Skip(msgspec.Struct, frozen=True, array_like=True, tag=68):
        room: str
        offset: str

    vector = next(row for row in load("earlier") if row["name"] == "skip")
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(bytes.fromhex(vector["hex"]), type=Skip)


def test_what_must_be_rejected_is() -> None:
    for vector in load("reject"):
        try:
            answer = read(vector)
        except REFUSED:
            continue
        assert isinstance(answer, codec.Rejected), f"accepted: {vector['direction']} {vector['case']}"


def test_an_older_python_client_is_told_of_a_tag_it_does_not_know() -> None:
    unknown = next(vector for vector in load("decode_only") if vector["name"] is None)
    with pytest.raises(msgspec.ValidationError):
        codec.MSGPACK.decode_server(bytes.fromhex(unknown["hex"]))
