"""A room: its creation, joining and leaving, and the snapshot of a join."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from commonroom.identity import Principal
from commonroom.protocol.chat import Message
from commonroom.protocol.presence import PresenceSnapshot
from commonroom.protocol.timer import Timer, TimerSettings
from commonroom.protocol.wire import (
    Command,
    DurablePush,
    Millis,
    Nonce,
    Offset,
    Ref,
    RoomId,
    RoomPush,
    ServerMessage,
    StreamPosition,
)

__all__ = [
    "Gap",
    "Joined",
    "Recovery",
    "RoomCreate",
    "RoomCreated",
    "RoomInfo",
    "RoomJoin",
    "RoomKind",
    "RoomLeave",
    "RoomReset",
    "RoomView",
    "Visibility",
]

RoomKind = Literal["study"]
Visibility = Literal["public", "unlisted", "private"]
Recovery = Literal["fresh", "recovered", "gap", "reset"]
"""fresh: no position was given. recovered: every event since it follows. gap: all but
`gap` follow. reset: the position is of another history; forget and reload."""

Title = Annotated[str, Meta(min_length=1, max_length=80)]
Topic = Annotated[str, Meta(max_length=240)]
Language = Annotated[str, Meta(pattern="^[a-z]{2,8}(-[A-Za-z0-9]{2,8})?$")]


class RoomInfo(Struct, frozen=True, array_like=True):
    """What a room is: the same for everybody in it."""

    kind: RoomKind
    title: Title
    topic: Topic
    language: Language
    visibility: Visibility
    created_at: Millis
    created_by: Principal


class RoomJoin(Command, frozen=True, tag=8):
    """Subscribe to a room; joining a joined room answers a fresh snapshot.

    `resume` is the last event the client has. `grant` is a room-bound token where
    the session's own does not admit. Once it has expired, the next `refresh` asks the
    room again without it, unless a join with a newer one came before.
    """

    room: RoomId
    resume: StreamPosition | None = None
    grant: str | None = None


class RoomLeave(Command, frozen=True, tag=9):
    """Unsubscribe. Leaving a room that was not joined is no error."""

    room: RoomId


class RoomCreate(Command, frozen=True, tag=10):
    """Found a room of the id the caller chose (a new key); durable, hence the nonce."""

    room: RoomId
    nonce: Nonce
    kind: RoomKind
    title: Title
    topic: Topic = ""
    language: Language = "en"
    visibility: Visibility = "public"
    timer: TimerSettings = TimerSettings()


class RoomCreated(DurablePush, frozen=True, tag=72):
    """The first event of a room (`room.created`), always offset 1."""

    info: RoomInfo
    timer: TimerSettings


class Gap(Struct, frozen=True, array_like=True, gc=False):
    """Events `first` to `last` inclusive could not be replayed: read the history."""

    first: Offset
    last: Offset


class Joined(ServerMessage, frozen=True, tag=73):
    """The answer to a join: the room at `position`.

    Events after the client's old position follow this message as ordinary pushes
    up to `position`, then live ones: apply what is beyond your own offset, in order.
    `messages` are the latest of the room, oldest first, at most 50, as of `position`.
    """

    ref: Ref
    room: RoomId
    position: StreamPosition
    recovery: Recovery
    gap: Gap | None
    info: RoomInfo
    role: Literal["host", "participant"]
    presence: PresenceSnapshot
    timer: Timer | None
    messages: list[Message]
    typing: list[Principal]


class RoomReset(RoomPush, frozen=True, tag=74):
    """The subscription is void (the room moved or failed): join again with your position."""


class RoomView(Struct, frozen=True):
    """What HTTP shows of a room; not a wire message. `present` counts people."""

    room: RoomId
    info: RoomInfo
    present: int
    timer: Timer | None
