"""Golden vectors: wire bytes and what they mean, read by the tests of Python and JavaScript.

- `messages`: both directions must agree, byte for byte.
- `decode_only`: what older and newer peers send.
- `reject`: what no reader may take.
- `earlier`: every encoding that was ever current. Only grows; today's types must read it.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as ins

from commonroom.protocol.codec import JSON, MSGPACK
from commonroom.protocol.codegen import model, sample
from commonroom.protocol.codegen.typescript import camel

__all__ = ["Vector", "generate"]

Vector = dict[str, Any]

Kind = tuple[str, str, ins.StructType]
"""Direction, name, type."""

INTEGERS = (0, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1)
TEXTS = ("", "a" * 31, "a" * 32, "é" * 128, "\u0000", "👩🏽‍🚀 שלום", "🏳️‍🌈" * 400, "x" * 4000)
NEWER: dict[str, Any] = {
    "integer": 7,
    "map": {"a": [1, {"b": None}]},
    "bytes": b"\x00\xff",
    "float": 1.5,
    "array": [[], ["x"]],
    "extension": msgspec.msgpack.Ext(5, b"later"),
}
"""What a newer peer may put behind the fields of today."""

WRONG_TAGS: tuple[Any, ...] = (None, "80", 1.0, [], True)


def generate(earlier: list[Vector]) -> dict[str, list[Vector]]:
    """All files by name. `earlier` is the committed list, which is only appended to."""
    messages = list(_messages())
    return {
        "messages": messages,
        "decode_only": list(_decode_only()),
        "reject": list(_reject()),
        "earlier": _grown(earlier, messages),
    }


def dump(vectors: list[Vector]) -> str:
    """One vector a line, so that a difference shows which."""
    rows = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors)
    return f"[\n{rows}\n]\n"


def _directions() -> Iterator[Kind]:
    yield from (("command", name, struct) for name, struct in model.commands().items())
    yield from (("server", name, struct) for name, struct in model.server_messages().items())


def _messages() -> Iterator[Vector]:
    for direction, name, struct in _directions():
        for mode in ("minimal", "full", "boundary"):
            yield _vector(direction, name, struct, mode, sample.wire(struct, mode))
    server = model.server_messages()
    for number in INTEGERS:
        yield _vector("server", "skip", server["skip"], f"integer {number}", ["r", number])
    for text in TEXTS:
        yield _vector("server", "message.create", server["message.create"], f"text of {len(text)}", ["r", 1, 2, ["user", "u"], None, text])


def _vector(direction: str, name: str, struct: ins.StructType, case: str, fields: list[Any]) -> Vector:
    message = sample.build(struct, fields)
    return {
        "direction": direction,
        "name": name,
        "case": case,
        "value": sample.named(struct, message, camel),
        "hex": MSGPACK.encode(message).hex(),
        "json": JSON.encode(message).decode(),
    }


def _decode_only() -> Iterator[Vector]:
    for direction, name, struct in _directions():
        full = sample.wire(struct, "full")
        required = sum(field.required for field in struct.fields)
        for count in range(required, len(struct.fields)):
            yield _meaning((direction, name, struct), f"older: {count} fields", full[:count], full[:count])
        for what, extra in NEWER.items():
            yield _meaning((direction, name, struct), f"newer: one more {what}", full, [*full, extra])
    joined = model.server_messages()["skip"]
    unknown = msgspec.msgpack.encode([4095, *sample.wire(joined, "full"), {"new": 1}])
    yield {"direction": "server", "name": None, "case": "newer: unknown tag", "value": None, "hex": unknown.hex()}


def _meaning(kind: Kind, case: str, meant: list[Any], sent: list[Any]) -> Vector:
    direction, name, struct = kind
    return {
        "direction": direction,
        "name": name,
        "case": case,
        "value": sample.named(struct, sample.build(struct, meant), camel),
        "hex": msgspec.msgpack.encode([struct.tag, *sent]).hex(),
    }


def _reject() -> Iterator[Vector]:
    """`by`: who must refuse it. Limits are the server's business; the client has no table of them."""
    for direction, name, struct in (
        ("command", "message.send", model.commands()["message.send"]),
        ("server", "message.create", model.server_messages()["message.create"]),
    ):
        fields = sample.wire(struct, "full")
        whole = msgspec.msgpack.encode([struct.tag, *fields])
        for size in range(len(whole)):
            yield _refused(direction, f"{name} truncated to {size} bytes", whole[:size])
        yield _refused(direction, f"{name} and one byte more", whole + b"\xc0")
        yield _refused(direction, f"{name} as a map", msgspec.msgpack.encode({"tag": struct.tag}))
        yield from (_refused(direction, f"{name} with tag {tag!r}", msgspec.msgpack.encode([tag, *fields])) for tag in WRONG_TAGS)
    yield from _wrong_types()
    yield from _hostile()
    yield from _over_limits()


def _wrong_types() -> Iterator[Vector]:
    for direction, name, struct in _directions():
        full = sample.wire(struct, "full")
        for index, field in enumerate(struct.fields):
            for what, wrong in _misfits(field.type):
                sent = [struct.tag, *full[:index], wrong, *full[index + 1 :]]
                yield _refused(direction, f"{name}: {field.name} is {what}", msgspec.msgpack.encode(sent))


def _misfits(kind: ins.Type) -> list[tuple[str, Any]]:
    inner = model.optional(kind)
    misfits: list[tuple[str, Any]] = [("a map", {})]
    if inner is None:
        misfits.append(("nil", None))
    if isinstance(inner or kind, ins.IntType):
        return [*misfits, ("a float", 1.0), ("text", "1"), ("2^53", 2**53), ("2^64-1", 2**64 - 1), ("an array", [])]
    if isinstance(inner or kind, ins.StrType | ins.LiteralType):
        return [*misfits, ("an integer", 1), ("bytes", b"study")]
    if isinstance(inner or kind, ins.BoolType):
        return [*misfits, ("an integer", 1)]
    return [*misfits, ("text", "x"), ("an array of wrong items", [{}])]


def _hostile() -> Iterator[Vector]:
    for direction in ("command", "server"):
        yield _refused(direction, "reserved byte", b"\xc1")
        yield _refused(direction, "an array of 2^32-1", b"\xdd\xff\xff\xff\xff")
        yield _refused(direction, "text of 2^32-1 bytes", b"\x93\x10\x01\xdb\xff\xff\xff\xff")
        yield _refused(direction, "1,000 arrays in each other", b"\x91" * 1000)
        yield _refused(direction, "empty array", b"\x90")
    yield _refused("command", "text that is not UTF-8", b"\x94\x10\x01\xa1r\xa2\xc3\x28\xa8nonce000")
    yield _refused("server", "text that is not UTF-8", b"\x93\x44\xa2\xc3\x28\x01")
    yield _refused("server", "a surrogate in UTF-8", b"\x93\x44\xa3\xed\xa0\x80\x01")


def _over_limits() -> Iterator[Vector]:
    cases: tuple[tuple[str, str, list[Any]], ...] = (
        ("text of 4001", "message.send", [1, "r", "x" * 4001, "nonce-000"]),
        ("empty text", "message.send", [1, "r", "", "nonce-000"]),
        ("nonce of 7", "message.send", [1, "r", "x", "1234567"]),
        ("nonce of 65", "message.send", [1, "r", "x", "n" * 65]),
        ("room of 121", "room.join", [1, "r" * 121]),
        ("empty room", "room.leave", [1, ""]),
        ("negative ref", "room.leave", [-1, "r"]),
        ("ref of 2^31", "room.leave", [2**31, "r"]),
        ("negative offset", "message.delete", [1, "r", -1, "nonce-000"]),
        ("unknown kind", "room.create", [1, "r", "nonce-000", "castle", "t"]),
        ("language of digits", "room.create", [1, "r", "nonce-000", "study", "t", "", "12"]),
        ("focus of 0 ms", "room.create", [1, "r", "nonce-000", "study", "t", "", "en", "public", [0]]),
        ("unknown tag", "room.leave", [1, "r"]),
    )
    for case, name, fields in cases:
        tag = 4095 if case == "unknown tag" else model.commands()[name].tag
        yield _refused("command", f"{name}: {case}", msgspec.msgpack.encode([tag, *fields]), "python")


def _refused(direction: str, case: str, data: bytes, *by: str) -> Vector:
    return {"direction": direction, "case": case, "by": list(by) or ["python", "js"], "hex": data.hex()}


def _grown(earlier: list[Vector], messages: list[Vector]) -> list[Vector]:
    known = {(vector["name"], vector["direction"], vector["hex"]) for vector in earlier}
    kept = ("direction", "name", "case", "value", "hex")
    fresh = [{key: vector[key] for key in kept} for vector in messages if vector["case"] == "full"]
    return [*earlier, *(vector for vector in fresh if (vector["name"], vector["direction"], vector["hex"]) not in known)]
