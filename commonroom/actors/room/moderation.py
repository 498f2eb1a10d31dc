"""Who keeps order in a room, and how: roles, kick, ban and mute (FEATURES P35).

The host acts on everybody, a co-host on everybody but the host and the other co-hosts, nobody on themselves. All of it
is durable but being asked to leave, which ends a subscription and no more. Who became a user while here is the same
person under both names.
"""

import re
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from commonroom.actors.room.change import Changing
from commonroom.actors.room.feature import Room, stamp
from commonroom.actors.room.penalty import MAX_PENALTIES, Penalties, Penalty
from commonroom.engine.actor import Context
from commonroom.errors import Forbidden, Invalid, LimitExceeded, NotFound
from commonroom.identity import Principal
from commonroom.protocol.moderation import (
    ModerationAction,
    ModerationCommand,
    RoomBan,
    RoomKick,
    RoomModerated,
    RoomMute,
    RoomRole,
    RoomUnban,
    RoomUnmute,
)
from commonroom.protocol.roster import Role
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["MAX_COHOSTS", "Cause", "Moderation", "hand_over", "may_host"]

MAX_COHOSTS: Final = 20

ID: Final = re.compile(r"[\x21-\x7e]{1,64}")


class Part(Struct, frozen=True, array_like=True):
    """The feature's part of the snapshot. The host stands in the room's info."""

    cohosts: list[Principal] = []
    bans: list[Penalty] = []
    mutes: list[Penalty] = []


class Known(Struct, frozen=True, array_like=True):
    """The private facts of a ban or mute: all the guests whom the person was. Others are told of those alone who were here."""

    guests: tuple[Principal, ...]


class Target(Struct, frozen=True):
    """Whom a command is about, and the guests they are known to have been."""

    person: Principal
    guests: tuple[Principal, ...]

    @property
    def names(self) -> tuple[Principal, ...]:
        return (self.person, *self.guests)


class Moderation(Changing):
    """The feature `moderation`."""

    __slots__ = ()

    name = "moderation"
    commands = (RoomKick, RoomBan, RoomUnban, RoomMute, RoomUnmute, RoomRole)
    events = (RoomModerated,)

    # -- the fold --------------------------------------------------------------

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        if not isinstance(event, RoomModerated):
            return
        names = (event.person, *event.guests)
        match event.action:
            case "ban":
                self.room.bans.impose(_penalty(event, private), event.at)
                self._assign(names, "participant")
            case "unban":
                self.room.bans.lift(event.person)
            case "mute":
                self.room.mutes.impose(_penalty(event, private), event.at)
            case "unmute":
                self.room.mutes.lift(event.person)
            case "role":
                self._assign(names, event.role or "participant")

    def _assign(self, names: tuple[Principal, ...], role: Role) -> None:
        room = self.room
        for name in names:
            room.cohosts.pop(name, None)
        if role == "host":
            room.info = replace(room.known, host=names[0])
        elif role == "cohost":
            room.cohosts[names[0]] = None
        room.roster.assign(names, role)

    def dump(self) -> Part | None:
        room = self.room
        if not (room.cohosts or room.bans or room.mutes):
            return None
        return Part(list(room.cohosts), room.bans.dump(), room.mutes.dump())

    def load(self, part: Raw) -> None:
        stored, room = msgspec.msgpack.decode(part, type=Part), self.room
        room.cohosts = dict.fromkeys(stored.cohosts)
        room.bans, room.mutes = Penalties(stored.bans), Penalties(stored.mutes)

    # -- commands --------------------------------------------------------------

    def receive(self, ctx: Context, command: Command) -> None:
        if not isinstance(command, ModerationCommand):
            return
        target = self._target(command.person)
        self._check_rank(ctx, target)
        match command:
            case RoomKick():
                if self.room.members.keys().isdisjoint(target.names):
                    self._check_here(target)
                self._persist(ctx, command, target, "kick")
            case RoomBan():
                self._impose(ctx, command, target, self.room.bans)
            case RoomMute():
                self._impose(ctx, command, target, self.room.mutes)
            case RoomUnban():
                self._lift(ctx, command, target, self.room.bans)
            case RoomUnmute():
                self._lift(ctx, command, target, self.room.mutes)
            case RoomRole():
                self._appoint(ctx, command, target)

    def _impose(self, ctx: Context, command: RoomBan | RoomMute, target: Target, penalties: Penalties) -> None:
        if penalties.count(ctx.now) >= MAX_PENALTIES and penalties.find(target.names, ctx.now) is None:
            raise LimitExceeded(f"a room keeps {MAX_PENALTIES} of these at once")
        until = None if command.duration_ms is None else ctx.now + command.duration_ms
        self._persist(ctx, command, target, "ban" if isinstance(command, RoomBan) else "mute", until=until)

    def _lift(self, ctx: Context, command: RoomUnban | RoomUnmute, target: Target, penalties: Penalties) -> None:
        penalty = penalties.find(target.names, ctx.now)
        if penalty is None:
            ctx.reply(Reply(command.ref))
            return
        target = Target(penalty.person, penalty.guests)
        self._persist(ctx, command, target, "unban" if isinstance(command, RoomUnban) else "unmute")

    def _appoint(self, ctx: Context, command: RoomRole, target: Target) -> None:
        room = self.room
        if room.role_of(target.names) == command.role:
            ctx.reply(Reply(command.ref))
            return
        if command.role != "participant":
            self._check_here(target)
        why = room.why(ctx, command.why)
        if command.role == "host":
            if not may_host(room, target.person):
                raise Forbidden("only somebody who is signed in hosts a public room")
            hand_over(ctx, room, target.names, Cause(command.nonce, ctx.authority.principal, why))
            return
        if command.role == "cohost" and len(room.cohosts) >= MAX_COHOSTS:
            raise LimitExceeded(f"a room has {MAX_COHOSTS} co-hosts at most")
        self._persist(ctx, command, target, "role", role=command.role)

    def _persist(self, ctx: Context, command: ModerationCommand, target: Target, action: ModerationAction, **fields: Any) -> None:
        stamped = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        why, guests = self.room.why(ctx, command.why), self.room.told_of(target.person, target.guests)
        event = RoomModerated(**stamped, action=action, person=target.person, why=why, guests=guests, **fields)
        ctx.persist(event, private=Known(target.guests) if action in {"ban", "mute"} and target.guests else None)

    # -- whom it is about ------------------------------------------------------

    def _target(self, named: Principal) -> Target:
        """Raises Invalid: it is nobody's id."""
        if not ID.fullmatch(named.actor_id):
            raise Invalid("nobody has such an id", field="$.person")
        person = self.room.roster.now(named)
        return Target(person, self.room.guests_of(person))

    def _check_rank(self, ctx: Context, target: Target) -> None:
        room = self.room
        if not set(target.names).isdisjoint(room.names(ctx.authority)):
            raise Invalid("nobody does this to themselves", field="$.person")
        role = room.role_of(target.names)
        if role == "host" or (role == "cohost" and room.role(ctx.authority) != "host"):
            raise Forbidden(f"this is not for you to do to a {role}")

    def _check_here(self, target: Target) -> None:
        if target.person not in self.room.roster:
            raise NotFound("nobody of that id is here")


def _penalty(event: RoomModerated, private: bytes | None) -> Penalty:
    """Without private facts: all the guests are in the event."""
    guests = tuple(event.guests) if private is None else msgspec.msgpack.decode(private, type=Known).guests
    return Penalty(event.person, event.until, guests)


def may_host(room: Room, person: Principal) -> bool:
    """A public room has its host among users (FEATURES P7)."""
    return person.actor_type == "user" or room.known.visibility != "public"


class Cause(NamedTuple):
    """Who changed a role and why; a rule has neither nonce nor author."""

    nonce: str | None
    author: Principal | None
    why: str


def hand_over(ctx: Context, room: Room, names: tuple[Principal, ...], cause: Cause) -> None:
    """Make the person of these names the host, and the host a co-host, where there is room for one."""
    former = room.roster.now(room.host)
    member = room.roster.get(former)
    _tell_role(ctx, room, names, "host", cause)
    role: Role = "cohost" if len(room.cohosts) < MAX_COHOSTS else "participant"
    _tell_role(ctx, room, (former, *(() if member is None else member.guests)), role, cause._replace(nonce=None))


def _tell_role(ctx: Context, room: Room, names: tuple[Principal, ...], role: Role, cause: Cause) -> None:
    person, *guests = names
    told = room.told_of(person, guests)
    stamped = stamp(ctx, room, cause.nonce, cause.author)
    ctx.persist(RoomModerated(**stamped, action="role", person=person, role=role, why=cause.why, guests=told))
