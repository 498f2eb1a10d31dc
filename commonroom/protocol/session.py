"""The session: hello, welcome, heartbeats, replies and errors."""

from msgspec import Struct

from commonroom.identity import Principal
from commonroom.protocol.wire import (
    Command,
    Count,
    Millis,
    Offset,
    PersonName,
    Ref,
    RoomId,
    RoomPush,
    ServerMessage,
    StreamPosition,
)

__all__ = ["Error", "Heartbeat", "HeartbeatReply", "Hello", "Limits", "Refresh", "Refreshed", "Reply", "ResumeAt", "Skip", "Welcome"]


class ResumeAt(Struct, frozen=True, array_like=True, gc=False):
    """One room the client followed, and the last event it has of it."""

    room: RoomId
    position: StreamPosition


class Hello(Command, frozen=True, tag=1):
    """The first frame of a connection.

    Each room of `resume` is joined as by `room.join` with ref 0.
    `protocol` is the client's protocol hash, empty if it does not know one.
    """

    token: str
    resume: list[ResumeAt] = []
    protocol: str = ""
    client: str = ""


class Refresh(Command, frozen=True, tag=2):
    """Renews the token of the live connection; same login session only.

    A guest who signed in meanwhile is the user from here on, in every room that it
    follows. Answered by `refreshed`.
    """

    token: str


class HeartbeatReply(Command, frozen=True, tag=3):
    """Answers a heartbeat. Any other frame counts as life just as well."""


class Limits(Struct, frozen=True, array_like=True, gc=False):
    """What the server enforces on this connection, so that a client need not guess."""

    message_bytes: Count
    rooms: Count
    heartbeat_ms: Millis
    grace_ms: Millis
    text_chars: Count
    token_expires_at: Millis


class Welcome(ServerMessage, frozen=True, tag=64):
    """Answers hello. `session` is the gateway's memory of this client, not a secret."""

    ref: Ref
    session: str
    principal: Principal
    name: PersonName
    history: Count
    server_time: Millis
    limits: Limits
    protocol: str


class Reply(ServerMessage, frozen=True, tag=65):
    """Done, and durable if it changed anything durable.

    `offset` is the event's, 0 where the command caused none.
    """

    ref: Ref
    offset: Offset = 0


class Error(ServerMessage, frozen=True, tag=66):
    """Refused. Nothing of the command took effect.

    `retry_after_ms` is None where waiting does not help or the time is unknown.
    `remaining`: how many more the limit that refused it grants now; None for other refusals.
    """

    ref: Ref
    code: Count
    name: str
    message: str
    retry_after_ms: Millis | None = None
    remaining: Count | None = None


class Heartbeat(ServerMessage, frozen=True, tag=67):
    """Every `heartbeat_ms`: server time and the head of each followed room.

    A head beyond what the client has seen means that pushes were lost: join again
    with the old position.
    """

    server_time: Millis
    heads: list[tuple[RoomId, Offset]]


class Refreshed(ServerMessage, frozen=True, tag=69):
    """Answers `refresh`: who the connection speaks for from now on, and until when."""

    ref: Ref
    principal: Principal
    name: PersonName
    token_expires_at: Millis


class Skip(RoomPush, frozen=True, tag=68):
    """This reader does not see the durable event at `offset`."""

    offset: Offset
