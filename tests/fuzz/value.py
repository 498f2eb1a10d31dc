"""Values of any type that is declared, and what to put in their place: made from the declarations alone, so that no field is forgotten."""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from random import Random
from typing import Any, Final

from msgspec import inspect as ins

from tests.support.leak import CANARY

__all__ = ["HOSTILE", "Pool", "broken", "hostile", "mutated", "value"]

LONG: Final = (255, 256, 4000, 4001, 65_535, 70_000)
TEXTS: Final = (
    "", " ", "\x00", "a\x00b", "\u202e", "\u2028", "\x1b[2J", '\n{"level":"error"}', "💥" * 1001, "e" + "\u0301" * 3000, "\ud800",
    "%", "_", "*", "room:#", "__keyspace@0__:*", "../../etc/passwd", "' or 1=1--", "'); drop table message;--", "!" * 3000, "a & | !",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "null", "NaN", "-1", "1e308", "0x7f", "９", "{}",
)  # fmt: skip
NUMBERS: Final = (
    0, -1, 1, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63),
    0.0, -0.0, 1.5, 1e308, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
SHAPES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None] * 300,
    {"$ne": 1},
    {"a": {"b": [1, {}]}},
    {1: 2},
    {"__proto__": {}},
)
HOSTILE: Final = (*TEXTS, *NUMBERS, *SHAPES)

KNOWN: Final = (
    "en", "pt-BR", "study", "public", "Reading room", "Ada", "ada_lovelace", "ada@example.org", "https://example.org/a.png", "123456",
    "github",
    "nonce-0001", "idempotency-0001", "ban", "mute", "shadow", "open", "resolved", "spam", "user", "guest", "2030-01-01", "0" * 26,
)  # fmt: skip
"""A text for each pattern that is declared anywhere."""


SECRET: Final = frozenset({"code", "current", "data", "grant", "password", "refresh_token", "registration", "state", "text", "token"})
"""Fields whose text is in no log; a room's name may be."""


class Pool:
    """What the attackers know together: ids, tokens, positions, by the name of the field that takes them."""

    MOST = 200

    def __init__(self) -> None:
        self._known: dict[str, list[Any]] = {}

    def learn(self, name: str, one: Any) -> None:
        """Remember a value; of each name the latest are kept."""
        known = self._known.setdefault(name, [])
        known.append(one)
        if len(known) > self.MOST:
            del known[0]

    def all(self, name: str) -> list[Any]:
        return self._known.get(name, [])

    def of(self, name: str, random: Random) -> Any | None:
        """One of that name; None: none is known."""
        known = self._known.get(name)
        return random.choice(known) if known else None


def value(kind: ins.Type, random: Random, pool: Pool | None = None, name: str = "") -> Any:
    """A value that fits the type, as plain data; a known one where there is one of that name."""
    if pool is not None and random.random() < 0.9 and (known := pool.of(name, random)) is not None:
        return deepcopy(known)
    make = next((make for cls, make in MAKERS.items() if isinstance(kind, cls)), None)
    if make is None:
        raise TypeError(f"no value of {kind} is known")
    return make(kind, random, pool, name)


def _struct(kind: ins.StructType, random: Random, pool: Pool | None, _name: str) -> Any:
    kept = [one for one in kind.fields if one.required or kind.array_like or random.random() < 0.7]
    fields = {one.encode_name: value(one.type, random, pool, one.name) for one in kept}
    if not kind.array_like:
        return fields
    return [*([] if kind.tag is None else [kind.tag]), *fields.values()]


def _integer(kind: ins.IntType, random: Random, _pool: Pool | None, _name: str) -> int:
    low = 0 if kind.ge is None else kind.ge
    high = 2**53 - 1 if kind.le is None else kind.le
    return random.choice((low, high, random.randint(low, high), random.randint(low, min(high, low + 20))))


def _text(kind: ins.StrType, random: Random, _pool: Pool | None, name: str) -> str:
    if kind.pattern is not None:
        fits = [text for text in KNOWN if re.search(kind.pattern, text)]
        if not fits:
            raise TypeError(f"no text for the pattern {kind.pattern!r} is known")
        return random.choice(fits)
    low, high = kind.min_length or 0, kind.max_length or 60
    text = random.choice((f"{CANARY if name in SECRET else name} {random.random()}", *KNOWN))
    return text[:high] if len(text) >= low else text.ljust(low, "x")


def _items(kind: Any, random: Random, pool: Pool | None, name: str) -> list[Any]:
    return [value(kind.item_type, random, pool, name) for _ in range(random.choice((0, 1, 3)))]


MAKERS: Final[Mapping[type, Callable[..., Any]]] = {
    ins.StructType: _struct,
    ins.LiteralType: lambda kind, random, _pool, _name: random.choice(kind.values),
    ins.BoolType: lambda _kind, random, _pool, _name: random.random() < 0.5,
    ins.IntType: _integer,
    ins.FloatType: lambda _kind, random, _pool, _name: random.random(),
    ins.StrType: _text,
    ins.ListType: _items,
    ins.VarTupleType: _items,
    ins.TupleType: lambda kind, random, pool, name: [value(one, random, pool, name) for one in kind.item_types],
    ins.DictType: lambda kind, random, pool, name: {"k": value(kind.value_type, random, pool, name)},
    ins.UnionType: lambda kind, random, pool, name: value(random.choice(kind.types), random, pool, name),
    ins.Metadata: lambda kind, random, pool, name: value(kind.type, random, pool, name),
    ins.NoneType: lambda _kind, _random, _pool, _name: None,
    ins.AnyType: lambda _kind, random, _pool, _name: random.choice(SHAPES),
}


def mutated(one: Any, random: Random) -> Any:
    """The list or mapping with something else in one place of it; of an empty one nothing is left."""
    places = list(_places(one))
    if not places:
        return [hostile(random)]
    holder, key = random.choice(places)
    match random.randrange(4):
        case 0 if isinstance(holder, list):
            holder.insert(key, hostile(random))
        case 1:
            del holder[key]
        case _:
            holder[key] = hostile(random)
    return one


def _places(one: Any) -> Iterator[tuple[Any, Any]]:
    """Where something can be replaced."""
    if isinstance(one, list | dict):
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            yield one, key
            yield from _places(one[key])


def hostile(random: Random) -> Any:
    """Anything."""
    if random.random() < 0.1:
        return random.choice("aé💥\u0301") * random.choice(LONG)
    return deepcopy(random.choice(HOSTILE))


def broken(data: bytes, random: Random, splices: tuple[bytes, ...]) -> bytes:
    """The bytes with one to three wounds: cut off, changed, doubled, or with one of these in between."""
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(data))
        match random.randrange(5):
            case 0:
                data = data[:at]
            case 1 if at < len(data):
                data = data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]
            case 2:
                data = data[:at] + data[at // 2 :]
            case 3:
                data = data + bytes(random.randrange(1, 5))
            case _:
                data = data[:at] + random.choice(splices) + data[at:]
    return data
