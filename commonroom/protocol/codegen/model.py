"""The wire types as the generators read them, out of `msgspec.inspect`.

JSON Schema would not do: it loses the field names of `array_like` structs.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from enum import IntEnum
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec import inspect as ins

from commonroom.codes import CloseCode, ErrorCode
from commonroom.protocol.registry import COMMANDS, SERVER_MESSAGES

__all__ = [
    "canonical",
    "commands",
    "default_of",
    "literal_name",
    "literals",
    "meanings",
    "nested",
    "optional",
    "server_messages",
    "summary",
]

COMMENTED = re.compile(r"^\s+(\w+) = \d+  # (.+)$", re.MULTILINE)


def commands() -> dict[str, ins.StructType]:
    """Every command by its name, in the registry's order."""
    return {name: _struct(cls) for name, cls in COMMANDS.items()}


def server_messages() -> dict[str, ins.StructType]:
    """Every server message by its name, in the registry's order."""
    return {name: _struct(cls) for name, cls in SERVER_MESSAGES.items()}


def nested() -> list[ins.StructType]:
    """Structs that only occur inside others, each after those it contains."""
    found: dict[type, ins.StructType] = {}
    for message in (*commands().values(), *server_messages().values()):
        for field in message.fields:
            for struct in _structs_of(field.type):
                found.setdefault(struct.cls, struct)
    return list(found.values())


def optional(kind: ins.Type) -> ins.Type | None:
    """`T` of `T | None`; None for any other type.

    Raises:
        TypeError: a union of several types, which the client's table cannot carry.
    """
    if not isinstance(kind, ins.UnionType):
        return None
    rest = [member for member in kind.types if not isinstance(member, ins.NoneType)]
    if len(rest) != 1 or len(kind.types) != 2:
        raise TypeError(f"only T | None is a wire type, not {kind.types}")
    return rest[0]


def default_of(field: ins.Field) -> object:
    """The value an absent field reads as, as plain data; NODEFAULT if it is required."""
    if field.default_factory is not NODEFAULT:
        factory: Callable[[], object] = field.default_factory
        return msgspec.to_builtins(factory())
    return NODEFAULT if field.default is NODEFAULT else msgspec.to_builtins(field.default)


def literals() -> dict[str, tuple[str, ...]]:
    """The named literal types of the wire modules (`Phase`), values in source order."""
    found: dict[str, tuple[str, ...]] = {}
    for module in _modules():
        for name, value in vars(module).items():
            if get_origin(value) is Literal and name in getattr(module, "__all__", ()):
                found.setdefault(name, get_args(value))
    return found


def literal_name(kind: ins.LiteralType) -> str | None:
    """The name under which a wire module exports this literal type."""
    values = set(kind.values)
    return next((name for name, known in literals().items() if set(known) == values), None)


def summary(cls: type) -> list[str]:
    """The lines of a type's docstring, without its indentation."""
    lines = (cls.__doc__ or "").strip().splitlines()
    return [line.strip() for line in lines]


def meanings(codes: type[IntEnum]) -> dict[str, str]:
    """What the comment behind each code says, by the code's name."""
    return dict(COMMENTED.findall(inspect.getsource(codes)))


def canonical() -> str:
    """All that two peers must agree on, as text: the input of the protocol hash."""
    return "\n".join((*_canonical_types(), *_canonical_codes(ErrorCode), *_canonical_codes(CloseCode)))


def _canonical_types() -> Iterator[str]:
    groups = (("command", commands()), ("server", server_messages()), ("struct", {s.cls.__name__: s for s in nested()}))
    for group, structs in groups:
        for name, struct in structs.items():
            yield f"{group} {name} {struct.tag}"
            yield from (f"  {field.encode_name} {_canonical_type(field.type)} {_canonical_default(field)}" for field in struct.fields)


def _canonical_codes(codes: type[IntEnum]) -> Iterator[str]:
    return (f"{codes.__name__} {code.name} {code.value}" for code in codes)


def _canonical_type(kind: ins.Type) -> str:
    if isinstance(kind, ins.StructType):
        return kind.cls.__name__
    if isinstance(kind, ins.ListType):
        return f"list[{_canonical_type(kind.item_type)}]"
    if isinstance(kind, ins.TupleType):
        return f"tuple[{','.join(map(_canonical_type, kind.item_types))}]"
    if inner := optional(kind):
        return f"{_canonical_type(inner)}?"
    return repr(kind).replace(" ", "")


def _canonical_default(field: ins.Field) -> str:
    value = default_of(field)
    return "required" if value is NODEFAULT else f"={value!r}".replace(" ", "")


def _struct(cls: type[Struct]) -> ins.StructType:
    info = ins.type_info(cls)
    if not isinstance(info, ins.StructType) or not info.array_like:
        raise TypeError(f"{cls.__name__} is not an array_like struct")
    return info


def _structs_of(kind: ins.Type) -> Iterator[ins.StructType]:
    if isinstance(kind, ins.StructType):
        for field in kind.fields:
            yield from _structs_of(field.type)
        yield kind
        return
    inner: tuple[ins.Type, ...] = ()
    if isinstance(kind, ins.ListType):
        inner = (kind.item_type,)
    elif isinstance(kind, ins.TupleType):
        inner = kind.item_types
    elif isinstance(kind, ins.UnionType):
        inner = kind.types
    for member in inner:
        yield from _structs_of(member)


def _modules() -> list[ModuleType]:
    """The modules that define wire types, those of nested structs included."""
    classes: list[Any] = [*COMMANDS.values(), *SERVER_MESSAGES.values(), *(struct.cls for struct in nested())]
    return [sys.modules[name] for name in dict.fromkeys(cls.__module__ for cls in classes)]
