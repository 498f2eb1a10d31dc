"""The building blocks of every wire type: bases, field types, limits.

Every message is one array `[tag, field, ...]`: fields in order of definition, the
base's first. Types are append-only: a new field goes to the end with a default, an
old peer ignores what is beyond its own fields. Never `UNSET`: `None` on the wire.

No value of these types can be part of a cycle, so the collector need not look at the
many that rings and outboxes hold (`gc=False`).
"""

from typing import Annotated, Literal, NamedTuple, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from commonroom.codes import ErrorCode
from commonroom.identity import Principal

__all__ = [
    "MAX_INT",
    "Command",
    "DurablePush",
    "Expulsion",
    "Nonce",
    "Offset",
    "Ref",
    "RoomId",
    "RoomPush",
    "ServerMessage",
    "StreamPosition",
    "Text",
    "Why",
]

MAX_INT = 2**53 - 1
"""Largest integer that a JavaScript number holds exactly."""

MAX_TEXT = 4000

Ref = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""Chosen by the client, echoed by the reply; 0 asks for no reply."""

RoomId = Annotated[str, Meta(min_length=1, max_length=120)]
"""Opaque to clients."""

Offset = Annotated[int, Meta(ge=0, le=MAX_INT)]
"""Dense per room from 1; 0 is the position before the first event."""

Nonce = Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{8,64}\Z")]
"""Chosen at random by the client, one per durable command and kept for its retries. Visible ASCII: it becomes part of a key."""

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
"""Code points. The room also refuses NUL and text of nothing but white space."""

Why = Annotated[str, Meta(max_length=240)]
"""A reason that everybody in the room reads; empty: none is given."""

PersonName = Annotated[str, Meta(min_length=1, max_length=64)]

Millis = Annotated[int, Meta(ge=0, le=MAX_INT)]
"""Milliseconds; a moment is counted from the Unix epoch in cluster time."""

Count = Annotated[int, Meta(ge=0, le=MAX_INT)]


class StreamPosition(Struct, frozen=True, array_like=True, gc=False):
    """Where a reader is in a room: `[history, offset]`.

    `history` is one number of the whole cluster, raised only by an operator after
    the database was rolled back. Offsets of two histories cannot be compared.
    """

    history: Count
    offset: Offset


class Command(Struct, frozen=True, array_like=True, gc=False):
    """Client to server. `ref` > 0 wants a reply."""

    ref: Ref


class ServerMessage(Struct, frozen=True, array_like=True, gc=False):
    """Server to client: a reply, an error or a push."""


class Expulsion(NamedTuple):
    """Who follows a room no longer, and what they are told of it, as an error says it.

    `people` is one person by all the names it has had. None: the room is asked about each
    that follows, and whom it would not let in any more is told to join again.
    """

    people: frozenset[Principal] | None
    code: ErrorCode = ErrorCode.FORBIDDEN
    message: str = ""


class RoomPush(ServerMessage, frozen=True):
    """A push that concerns one room."""

    room: RoomId

    def without(self, hidden: frozenset[Principal]) -> "RoomPush | None":
        """How this looks to somebody who does not see these people: itself where it shows none of them, None where nothing is left.

        Counts of changes (`rev`) are the reader's, not known here.
        """
        return self

    def expelled(self) -> Expulsion | None:
        """Whose subscriptions end with this durable push, once they have read it; None: nobody's."""
        return None


class DurablePush(RoomPush, frozen=True):
    """A push that is also the journal's event: the same bytes on disk and on the wire.

    `author` is None where no person caused it (a deadline). `nonce` is the author's,
    so that the author's own client finds its optimistic copy.
    """

    offset: Offset
    at: Millis
    author: Principal | None
    nonce: str | None

    def without(self, hidden: frozenset[Principal]) -> Self | None:
        return None if self.author in hidden else self

    def unsigned(self, hidden: frozenset[Principal]) -> Self:
        """As `without`, for what concerns everybody whoever did it."""
        return replace(self, author=None, nonce=None) if self.author in hidden else self


Direction = Literal["command", "server"]
