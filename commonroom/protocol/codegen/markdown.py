"""The tables of docs/PROTOCOL.md, written between its markers."""

import json
import re
from collections.abc import Callable, Iterator

from msgspec import NODEFAULT
from msgspec import inspect as ins

from commonroom.codes import LAST_RECONNECT_CODE, CloseCode, ErrorCode
from commonroom.errors import TABLE
from commonroom.protocol.codegen import model
from commonroom.protocol.hash import protocol_hash
from commonroom.protocol.wire import MAX_INT

__all__ = ["rewrite"]

MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewrite(page: str) -> str:
    """The page with every marked part made anew.

    Raises:
        KeyError: a marker names no part.
    """
    return MARKED.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", page)


def _hash() -> str:
    return f"Protocol hash of this revision: `{protocol_hash()}`."


def _commands() -> str:
    return "\n\n".join("\n".join(_message(name, struct)) for name, struct in model.commands().items())


def _server() -> str:
    return "\n\n".join("\n".join(_message(name, struct)) for name, struct in model.server_messages().items())


def _structs() -> str:
    return "\n\n".join("\n".join(_section(struct.cls.__name__, struct)) for struct in model.nested())


def _message(name: str, struct: ins.StructType) -> Iterator[str]:
    yield from _section(f"`{name}` · {struct.tag}", struct)


def _section(title: str, struct: ins.StructType) -> Iterator[str]:
    yield f"#### {title}"
    yield ""
    yield from (line.replace("<", "&lt;") for line in model.summary(struct.cls))
    yield ""
    yield "| # | field | type | limits | if absent |"
    yield "|---|---|---|---|---|"
    first = 0 if struct.tag is None else 1
    for index, field in enumerate(struct.fields, first):
        default = model.default_of(field)
        absent = "required" if default is NODEFAULT else f"`{json.dumps(default)}`"
        yield f"| {index} | `{field.encode_name}` | {_type(field.type)} | {_limits(field.type)} | {absent} |"


def _type(kind: ins.Type) -> str:
    if isinstance(kind, ins.StructType):
        return f"[{kind.cls.__name__}](#{kind.cls.__name__.lower()})"
    if isinstance(kind, ins.LiteralType):
        return " \\| ".join(f'`"{value}"`' for value in kind.values)
    if isinstance(kind, ins.ListType):
        return f"array of {_type(kind.item_type)}"
    if isinstance(kind, ins.TupleType):
        return f"\\[{', '.join(map(_type, kind.item_types))}\\]"
    if inner := model.optional(kind):
        return f"{_type(inner)} or nil"
    return {ins.IntType: "int", ins.StrType: "text", ins.BoolType: "bool"}[type(kind)]


def _limits(kind: ins.Type) -> str:
    kind = model.optional(kind) or kind
    if isinstance(kind, ins.IntType):
        return f"{_number(kind.ge)} to {_number(kind.le)}"
    if isinstance(kind, ins.StrType) and kind.pattern:
        return f"`{kind.pattern}`".replace("|", "\\|")
    if isinstance(kind, ins.StrType) and kind.max_length is not None:
        return f"{kind.min_length or 0} to {kind.max_length} code points"
    return ""


def _number(value: int | None) -> str:
    known = {None: "any", MAX_INT: "2^53-1", 2**31 - 1: "2^31-1"}
    return known.get(value) or f"{value:,}"


def _errors() -> str:
    rows = {row.code: row for row in reversed(TABLE.values())}
    meanings = model.meanings(ErrorCode)
    lines = ["| code | name | HTTP | may pass by itself | meaning |", "|---|---|---|---|---|"]
    for code in ErrorCode:
        row = rows[code]
        passes = "yes" if row.retryable else "no"
        lines.append(f"| {code.value} | `{code.name}` | {row.http.value} | {passes} | {meanings.get(code.name, '')} |")
    return "\n".join(lines)


def _closes() -> str:
    meanings = model.meanings(CloseCode)
    lines = ["| code | name | client | meaning |", "|---|---|---|---|"]
    for code in CloseCode:
        action = "reconnects" if code <= LAST_RECONNECT_CODE else "stops"
        lines.append(f"| {code.value} | `{code.name}` | {action} | {meanings.get(code.name, '')} |")
    return "\n".join(lines)


PARTS: dict[str, Callable[[], str]] = {
    "hash": _hash,
    "commands": _commands,
    "server": _server,
    "structs": _structs,
    "errors": _errors,
    "closes": _closes,
}
"""Marker → what stands there."""
