"""The journal's second column: what belongs to an event and is never framed."""

import msgspec
from msgspec import Struct

from commonroom.engine.actor import Audience

__all__ = ["Private", "pack", "unpack"]


class Private(Struct, frozen=True, array_like=True):
    """Who may see the event, and the actor's own facts about it. Append-only."""

    audience: Audience | None = None
    facts: bytes | None = None


_NOTHING = Private()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Private).decode


def pack(facts: Struct | None, audience: Audience | None) -> tuple[bytes | None, bytes | None]:
    """The facts' bytes for `apply`, and the column; both None where there is nothing to say."""
    encoded = None if facts is None else _encode(facts)
    if encoded is None and audience is None:
        return None, None
    return encoded, _encode(Private(audience, encoded))


def unpack(column: bytes | None) -> Private:
    """The reverse of `pack`, on replay.

    Raises:
        msgspec.DecodeError: the column is not of this form.
    """
    return _NOTHING if column is None else _decode(column)
