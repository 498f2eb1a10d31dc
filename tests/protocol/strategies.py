"""Any valid message of any wire type, made from the type's own description."""

from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec import inspect as ins

from commonroom.protocol.codegen import model, sample
from commonroom.protocol.wire import MAX_INT

KINDS: list[tuple[str, str, ins.StructType]] = [
    *(("command", name, struct) for name, struct in model.commands().items()),
    *(("server", name, struct) for name, struct in model.server_messages().items()),
]
NAMES = [f"{direction} {name}" for direction, name, _ in KINDS]


def messages(struct: ins.StructType) -> st.SearchStrategy[Struct]:
    return _fields(struct).map(lambda fields: sample.build(struct, fields))


def _fields(struct: ins.StructType) -> st.SearchStrategy[list[Any]]:
    return st.tuples(*(_values(field.type) for field in struct.fields)).map(list)


def _values(kind: ins.Type) -> st.SearchStrategy[Any]:
    if isinstance(kind, ins.StructType):
        return _fields(kind)
    if isinstance(kind, ins.LiteralType):
        return st.sampled_from(kind.values)
    if isinstance(kind, ins.BoolType):
        return st.booleans()
    if isinstance(kind, ins.IntType):
        return st.integers(kind.ge or 0, MAX_INT if kind.le is None else kind.le)
    if isinstance(kind, ins.StrType):
        return (
            st.from_regex(kind.pattern, fullmatch=True)
            if kind.pattern
            else st.text(min_size=kind.min_length or 0, max_size=kind.max_length or 40)
        )
    if isinstance(kind, ins.ListType):
        return st.lists(_values(kind.item_type), max_size=4)
    if isinstance(kind, ins.TupleType):
        return st.tuples(*map(_values, kind.item_types))
    inner = model.optional(kind)
    assert inner is not None, kind
    return st.none() | _values(inner)
