"""Example values of every wire type, made from its description alone.

A value is plain data as on the wire: structs are lists of their fields.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec import inspect as ins

from commonroom.protocol.codegen import model
from commonroom.protocol.wire import MAX_INT

__all__ = ["Mode", "build", "named", "wire"]

Mode = Literal["minimal", "full", "boundary"]

EMOJI = "👩🏽‍🚀"
"""Four code points in one glyph: a zero-width joiner and a skin tone (15 bytes of UTF-8)."""

LONGEST = 300
"""Characters of a text without a limit, in boundary samples: past the 8-bit length."""


def wire(struct: ins.StructType, mode: Mode) -> list[Any]:
    """The fields of a sample. Minimal: what may be absent is."""
    fields = [field for field in struct.fields if mode != "minimal" or model.default_of(field) is NODEFAULT]
    return [_value(field.type, mode, field.name) for field in fields]


def build(struct: ins.StructType, fields: list[Any]) -> Struct:
    """The message of these wire fields.

    Raises:
        msgspec.ValidationError: they do not fit the type.
    """
    head = [] if struct.tag is None else [struct.tag]
    message: Struct = msgspec.convert([*head, *fields], type=struct.cls)
    return message


def named(kind: ins.Type, value: Any, rename: Callable[[str], str]) -> Any:
    """A message as a mapping by field names, nested ones too: what a vector shows."""
    if isinstance(kind, ins.StructType):
        return {rename(field.encode_name): named(field.type, getattr(value, field.name), rename) for field in kind.fields}
    if isinstance(kind, ins.ListType):
        return [named(kind.item_type, item, rename) for item in value]
    if isinstance(kind, ins.TupleType):
        return [named(item_type, item, rename) for item_type, item in zip(kind.item_types, value, strict=True)]
    inner = model.optional(kind)
    return value if inner is None or value is None else named(inner, value, rename)


def _value(kind: ins.Type, mode: Mode, name: str) -> Any:
    if isinstance(kind, ins.StructType):
        return wire(kind, mode)
    if isinstance(kind, ins.LiteralType):
        return kind.values[-1 if mode == "boundary" else 0]
    if isinstance(kind, ins.BoolType):
        return mode != "minimal"
    if isinstance(kind, ins.IntType):
        return _integer(kind, mode)
    if isinstance(kind, ins.StrType):
        return _text(kind, mode, name)
    if isinstance(kind, ins.ListType):
        return _items(kind, mode, name)
    if isinstance(kind, ins.TupleType):
        return [_value(item, mode, name) for item in kind.item_types]
    inner = model.optional(kind)
    if inner is None:
        raise TypeError(f"no sample of {kind}")
    return None if mode == "minimal" else _value(inner, mode, name)


def _items(kind: ins.ListType, mode: Mode, name: str) -> list[Any]:
    """None, two, or 16 small ones: one more than the short form of an array holds. As many as it takes if that is fewer."""
    if mode == "boundary":
        return [_value(kind.item_type, "minimal", name)] * min(16, kind.max_length or 16)
    return [_value(kind.item_type, mode, name)] * (2 if mode == "full" else 0)


def _integer(kind: ins.IntType, mode: Mode) -> int:
    low, high = kind.ge or 0, kind.le or MAX_INT
    return {"minimal": low, "full": min(max(low, 1_795_000_000_123), high), "boundary": high}[mode]


def _text(kind: ins.StrType, mode: Mode, name: str) -> str:
    if name == "nonce":
        return {"minimal": "a" * 8, "full": f"{name}-{0:08}", "boundary": "~" * 64}[mode]
    if kind.pattern:
        return "pt-BR" if mode == "full" else "en"
    if mode == "minimal":
        return "a" * (kind.min_length or 0)
    if mode == "full":
        return f"{name} {EMOJI}".ljust(kind.min_length or 0, "_")
    return "é" * (kind.max_length or LONGEST)
