"""A room: its creation, joining and leaving, and the snapshot of a join."""

from typing import Annotated, Literal, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from commonroom.identity import Principal
from commonroom.protocol.chat import Message
from commonroom.protocol.presence import PresenceSnapshot
from commonroom.protocol.roster import Role
from commonroom.protocol.timer import Timer, TimerPolicy, TimerSettings
from commonroom.protocol.wire import (
    Command,
    Count,
    DurablePush,
    Expulsion,
    Millis,
    Nonce,
    Offset,
    Ref,
    RoomId,
    RoomPush,
    ServerMessage,
    StreamPosition,
    Why,
)

__all__ = [
    "FilteredWords",
    "Gap",
    "Joined",
    "LoadLevel",
    "Recovery",
    "RoomArchive",
    "RoomCreate",
    "RoomCreated",
    "RoomInfo",
    "RoomJoin",
    "RoomKind",
    "RoomLeave",
    "RoomLoad",
    "RoomRemoved",
    "RoomReset",
    "RoomUpdate",
    "RoomUpdated",
    "RoomView",
    "SizeLimit",
    "SlowMillis",
    "Tag",
    "Tags",
    "Theme",
    "Visibility",
]

RoomKind = Literal["study"]
Visibility = Literal["public", "unlisted", "private"]
Recovery = Literal["fresh", "recovered", "gap", "reset"]
"""fresh: no position was given. recovered: every event since it follows. gap: all but
`gap` follow. reset: the position is of another history; forget and reload."""

Title = Annotated[str, Meta(min_length=1, max_length=80)]
Topic = Annotated[str, Meta(max_length=240)]
FilteredWords = Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=100)]
Tag = Annotated[str, Meta(min_length=1, max_length=24)]
"""Letters and digits of any script, in lower case, and hyphens between them."""

Tags = Annotated[list[Tag], Meta(max_length=5)]
SizeLimit = Annotated[int, Meta(ge=0, le=5000)]
"""People at once, 2 to 5000; 0: no limit of the room's own."""

SlowMillis = Annotated[int, Meta(ge=0, le=3_600_000)]
Theme = Literal["plain", "forest", "ocean", "dusk", "night", "paper"]
LoadLevel = Annotated[int, Meta(ge=0, le=3)]
"""How much a room leaves out under load. 0: nothing. 1: pushes come together, some 50 ms later.
2: and presence is a count. 3: and nobody is seen typing, casts are dropped."""

Language = Annotated[str, Meta(pattern="^[a-z]{2,8}(-[A-Za-z0-9]{2,8})?$")]


class RoomInfo(Struct, frozen=True, array_like=True):
    """What a room is: the same for everybody in it.

    `timer_policy` says who works the timer. `slow_ms` is the pause between two messages
    of one person, 0: none. Nobody new comes into a `locked` room. In an archived one
    nothing happens any more. `host` None: who created it.
    """

    kind: RoomKind
    title: Title
    topic: Topic
    language: Language
    visibility: Visibility
    created_at: Millis
    created_by: Principal
    tags: Tags = []
    size_limit: SizeLimit = 0
    theme: Theme = "plain"
    timer_policy: TimerPolicy = "everyone"
    slow_ms: SlowMillis = 0
    locked: bool = False
    host: Principal | None = None
    archived_at: Millis | None = None


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
    """Found a room of the id the caller chose (a new key); durable, hence the nonce.

    `filtered_words` are not wanted in it, beyond those that the server does not want; nobody is shown them.
    """

    room: RoomId
    nonce: Nonce
    kind: RoomKind
    title: Title
    topic: Topic = ""
    language: Language = "en"
    visibility: Visibility = "unlisted"
    timer: TimerSettings = TimerSettings()
    filtered_words: FilteredWords = []
    tags: Tags = []
    size_limit: SizeLimit = 0
    theme: Theme = "plain"
    timer_policy: TimerPolicy = "everyone"


class RoomUpdate(Command, frozen=True, tag=11):
    """Change what a room is; None: as it was. A co-host may set `slow_ms` and `locked` alone.

    Answered with offset 0 where nothing would change.
    """

    room: RoomId
    nonce: Nonce
    title: Title | None = None
    topic: Topic | None = None
    language: Language | None = None
    visibility: Visibility | None = None
    tags: Tags | None = None
    size_limit: SizeLimit | None = None
    theme: Theme | None = None
    timer_policy: TimerPolicy | None = None
    slow_ms: SlowMillis | None = None
    locked: bool | None = None
    filtered_words: FilteredWords | None = None
    why: Why = ""


class RoomArchive(Command, frozen=True, tag=12):
    """Close a room: nothing happens in it any more. `archived` false opens it again."""

    room: RoomId
    nonce: Nonce
    archived: bool = True
    why: Why = ""


class RoomCreated(DurablePush, frozen=True, tag=72):
    """The first event of a room (`room.created`), always offset 1."""

    info: RoomInfo
    timer: TimerSettings

    def without(self, hidden: frozenset[Principal]) -> Self:
        return self.unsigned(hidden)


class RoomUpdated(DurablePush, frozen=True, tag=75):
    """The room is `info` from here on. `author` None: by rule, as a room does that was idle for long."""

    info: RoomInfo
    why: str = ""

    def without(self, hidden: frozenset[Principal]) -> Self:
        return self.unsigned(hidden)

    def expelled(self) -> Expulsion | None:
        return Expulsion(None) if self.info.visibility == "private" else None


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
    role: Role
    presence: PresenceSnapshot
    timer: Timer | None
    messages: list[Message]
    typing: list[Principal]
    load: LoadLevel = 0

    def without(self, hidden: frozenset[Principal]) -> Self:
        """How this looks to somebody who does not see these people, but for `rev`."""
        return replace(
            self,
            presence=self.presence.without(hidden),
            messages=[message for message in self.messages if message.author not in hidden],
            typing=[person for person in self.typing if person not in hidden],
        )


class RoomReset(RoomPush, frozen=True, tag=74):
    """The subscription is void (the room moved or failed): join again with your position."""


class RoomRemoved(RoomPush, frozen=True, tag=83):
    """The subscription is over, and why, as an error says it: do not come again by yourself."""

    code: Count
    name: str
    message: str


class RoomLoad(RoomPush, frozen=True, tag=84):
    """How much the room leaves out from now on."""

    level: LoadLevel


class RoomView(Struct, frozen=True):
    """What HTTP shows of a room; not a wire message. `present` counts people."""

    room: RoomId
    info: RoomInfo
    present: int
    timer: Timer | None
    cohosts: list[Principal] = []
