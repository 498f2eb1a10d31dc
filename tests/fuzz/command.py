"""Commands as bytes: right ones, ones with wrong fields, broken ones, and bytes that are none (RELIABILITY R9, R10, A4, A5)."""

import json
from itertools import count
from random import Random
from typing import Any, Final, Literal

import msgspec

from commonroom.protocol.codec import Codec
from commonroom.protocol.codegen import model
from tests.fuzz.value import Pool, broken, mutated, value
from tests.support.leak import CANARY

__all__ = ["SPLICES", "Author", "Manners"]

Manners = Literal["right", "wrong", "broken"]

COMMANDS: Final = model.commands()
EACH: Final = tuple(name for name in COMMANDS if name != "hello")
USUAL: Final = (
    "room.join",
    "room.join",
    "message.send",
    "message.send",
    "message.edit",
    "message.delete",
    "typing.start",
    "cast.send",
    "room.leave",
)

SPLICES: Final = (
    b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
    b"\xdc\xff\xff" + b"\x90" * 60_000,
    b"\x91" * 30_000, b"\x81\xa1a" * 20_000, b"\xa3\xed\xa0\x80", b"\xa2\xc3\x28", b"\xc7\x0c\xff" + b"\xff" * 12, b"\xc7\x00\x05",
    b"\xd8\x05" + bytes(16), b"\x81\x01\x02", b"\x81\x90\x01", b"\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01", b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + bytes(7), b"\xcb\x7f\xf0" + bytes(6), b"\x00", b"[" * 60_000, b'{"a":' * 10_000, b"9" * 20_000, b'"\\ud800"', b"NaN,",
    b"1e400,",
)  # fmt: skip
"""Two forms of bytes, as a decoder of either has to live with both."""


class Author:
    """Writes what one socket sends.

    Args:
        pool: what is known of rooms, messages and tokens.
        manners: right: all fits its type. wrong: fields do not, tag and ref do. broken: the bytes may be none of ours.
    """

    def __init__(self, codec: Codec, random: Random, pool: Pool, manners: Manners) -> None:
        self._manners = manners
        self._codec = codec
        self._random = random
        self._pool = pool
        self._refs = count(1)
        self._nonces: list[str] = []
        self._rooms: list[Any] = []

    def next(self) -> bytes:
        """One message."""
        random = self._random
        name = random.choice(USUAL if random.random() < 0.7 else EACH)
        plain = self.plain(name)
        if self._manners == "right" or random.random() < 0.6:
            return self.encode(plain)
        if self._manners == "wrong":
            return self.encode([*plain[:2], *mutated(plain[2:] or [None], random)])
        return random.choice((self.encode(mutated(plain, random)), broken(self.encode(plain), random, SPLICES)))

    def plain(self, name: str, **known: Any) -> list[Any]:
        """A command of that name that fits its type, with a ref of its own now and then, and a nonce that was used before."""
        kind, random = COMMANDS[name], self._random
        fields = {one.name: value(one.type, random, self._pool, one.name) for one in kind.fields}
        fields["ref"] = next(self._refs) if random.random() < 0.9 else 0
        if "grant" in fields and random.random() < 0.8:
            fields["grant"] = None
        if "nonce" in fields:
            fields["nonce"] = self._nonce()
        if "room" in fields:
            fields["room"] = self._room(name, fields["room"])
        if "text" in fields:
            fields["text"] = f"{CANARY} {random.random()}"
        return [kind.tag, *{**fields, **known}.values()]

    def encode(self, plain: Any) -> bytes:
        """As the codec would, also what has no place in a message."""
        if self._codec.text:
            return json.dumps(plain, default=repr, skipkeys=True).encode()
        try:
            return msgspec.msgpack.encode(plain)
        except (UnicodeEncodeError, OverflowError):
            return msgspec.msgpack.encode(json.loads(json.dumps(plain, skipkeys=True).replace("\\ud8", "\\\\ud8")))

    def _room(self, name: str, wanted: Any) -> Any:
        """What is joined is spoken in, mostly."""
        if name == "room.join":
            self._rooms.append(wanted)
        elif name != "room.create" and self._rooms and self._random.random() < 0.9:
            return self._random.choice(self._rooms)
        return wanted

    def _nonce(self) -> str:
        if self._nonces and self._random.random() < 0.2:
            return self._random.choice(self._nonces)
        self._nonces.append(f"nonce-{self._random.getrandbits(48):012x}")
        return self._nonces[-1]
