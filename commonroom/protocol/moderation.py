"""Who keeps order in a room, and how (FEATURES P35)."""

from typing import Annotated, Final, Literal, Self

from msgspec import Meta, Struct

from commonroom.clock import until_text
from commonroom.codes import ErrorCode
from commonroom.identity import Principal
from commonroom.protocol.roster import Role
from commonroom.protocol.wire import Command, DurablePush, Expulsion, Millis, Nonce, RoomId, Why

__all__ = [
    "ASKED_TO_LEAVE",
    "ModerationAction",
    "ModerationCommand",
    "Penalized",
    "RoomBan",
    "RoomKick",
    "RoomModerated",
    "RoomMute",
    "RoomPenalties",
    "RoomRole",
    "RoomUnban",
    "RoomUnmute",
]

ASKED_TO_LEAVE: Final = "you were asked to leave this room"

ModerationAction = Literal["kick", "ban", "unban", "mute", "unmute", "role"]

Duration = Annotated[int, Meta(ge=60_000, le=366 * 24 * 3600 * 1000)]
"""A minute to a year."""


class ModerationCommand(Command, frozen=True):
    """What the host or a co-host does about `person`. Nobody acts on the host, nor a co-host on another."""

    room: RoomId
    nonce: Nonce
    person: Principal
    why: Why = ""


class RoomKick(ModerationCommand, frozen=True, tag=13):
    """Have somebody leave. They may come again."""


class RoomBan(ModerationCommand, frozen=True, tag=14):
    """Have somebody leave and stay away, for `duration_ms` or, if None, until it is lifted."""

    duration_ms: Duration | None = None


class RoomUnban(ModerationCommand, frozen=True, tag=15):
    """Lift a ban."""


class RoomMute(ModerationCommand, frozen=True, tag=22):
    """Have somebody say nothing, for `duration_ms` or, if None, until it is lifted."""

    duration_ms: Duration | None = None


class RoomUnmute(ModerationCommand, frozen=True, tag=23):
    """Lift a mute."""


class RoomRole(ModerationCommand, frozen=True, tag=31):
    """Give somebody a role; the host's alone. `host` hands the room over: the former host becomes a co-host."""

    role: Role = "participant"


class RoomModerated(DurablePush, frozen=True, tag=76):
    """Something was done about `person`. `author` None: by rule.

    `until` is the end of a ban or mute, None: it has none. `role` is the new role. `guests`
    are those whom the person is known to have been here. One event concerns one person: a
    room handed over tells of the new host, then of the former one. With a new host `host`
    of the room's info changes, too.
    """

    action: ModerationAction
    person: Principal
    role: Role | None = None
    until: Millis | None = None
    why: str = ""
    guests: list[Principal] = []

    def without(self, hidden: frozenset[Principal]) -> Self | None:
        return None if self.person in hidden else self.unsigned(hidden)

    def expelled(self) -> Expulsion | None:
        people = frozenset({self.person, *self.guests})
        if self.action == "kick":
            return Expulsion(people, ErrorCode.FORBIDDEN, ASKED_TO_LEAVE)
        if self.action == "ban":
            return Expulsion(people, ErrorCode.BANNED, f"you are banned from this room{until_text(self.until)}")
        return None


class Penalized(Struct, frozen=True, array_like=True, gc=False):
    """Whom a ban or mute stands against, and its end, None: it has none."""

    person: Principal
    until: Millis | None


class RoomPenalties(Struct, frozen=True):
    """What HTTP shows of a room's bans or of its mutes, the oldest first; not a wire message. Some may be over."""

    penalties: list[Penalized]
