"""Invites and members: a code that whoever knows it becomes a member by; a private room lets its members in (FEATURES P17, M8).

A code is told once, to who makes the invite. What is kept of it is its digest, in the private facts of the event. Whether it
was never there, was revoked, has expired or is used up, whoever tries it hears the same: no such room.

Codes are not drawn from the activation's random: what that gives is shown to everybody as parts of ids, and enough of it tells the rest.
"""

from hmac import compare_digest
from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from commonroom.actors.room.change import Changing
from commonroom.actors.room.feature import Room, stamp
from commonroom.actors.room.porter import hidden
from commonroom.engine.actor import Audience, Context
from commonroom.errors import LimitExceeded, NotFound, RoomLocked
from commonroom.identity import Authority, Principal
from commonroom.ids import invite_digest, new_id, new_invite_code
from commonroom.protocol.invite import (
    MEMBERSHIP_EVENTS,
    Invite,
    InviteAccept,
    InviteCode,
    InviteCreate,
    InviteCreated,
    InviteFacts,
    InviteList,
    InviteListing,
    InviteRevoke,
    InviteRevoked,
    MemberAdded,
    MemberRemoved,
    RoomQuit,
    membership,
)
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["MAX_INVITES", "MAX_MEMBERS", "Invites"]

MAX_INVITES: Final = 100
"""Of a room, those that are over included, until others need their places."""

MAX_MEMBERS: Final = 5000
"""By invites. Co-hosts who are none any more are members besides."""


class Known(Struct, frozen=True, array_like=True):
    """An invite, and the digest of its code."""

    invite: Invite
    digest: bytes

    def is_over(self, now: int) -> bool:
        """Whether it lets nobody in any more."""
        invite = self.invite
        has_expired = invite.expires_at is not None and invite.expires_at <= now
        return has_expired or (invite.uses is not None and invite.used >= invite.uses)


class Part(Struct, frozen=True, array_like=True):
    """The feature's part of the snapshot."""

    invites: list[Known]
    members: list[Principal]


class Invites(Changing):
    """The feature `invites`."""

    __slots__ = ("_invites",)

    name = "invites"
    commands = (InviteCreate, InviteRevoke, InviteList, InviteAccept, RoomQuit)
    events = (InviteCreated, InviteRevoked, *MEMBERSHIP_EVENTS)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._invites: dict[str, Known] = {}

    # -- the fold --------------------------------------------------------------

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        match event:
            case InviteCreated():
                facts = msgspec.msgpack.decode(private or b"", type=InviteFacts)
                for forgotten in facts.forgotten:
                    self._invites.pop(forgotten, None)
                invite = Invite(event.invite, event.at, event.author, event.expires_at, event.uses)
                self._invites[event.invite] = Known(invite, facts.digest)
            case InviteRevoked():
                self._invites.pop(event.invite, None)
            case _:
                self._change_members(event)

    def _change_members(self, event: DurablePush) -> None:
        if (change := membership(event)) is None:
            return
        members = self.room.members
        for person in change.removed:
            members.pop(person, None)
        members.update(dict.fromkeys(change.added))
        if change.invite is not None and (known := self._invites.get(change.invite)) is not None:
            used = replace(known.invite, used=known.invite.used + 1)
            self._invites[change.invite] = replace(known, invite=used)

    def dump(self) -> Part | None:
        return Part(list(self._invites.values()), list(self.room.members)) if self._invites or self.room.members else None

    def load(self, part: Raw) -> None:
        stored = msgspec.msgpack.decode(part, type=Part)
        self._invites = {known.invite.invite: known for known in stored.invites}
        self.room.members.update(dict.fromkeys(stored.members))

    # -- commands --------------------------------------------------------------

    def receive(self, ctx: Context, command: Command) -> None:
        match command:
            case InviteAccept():
                self._accept(ctx, command)
            case InviteCreate():
                self._create(ctx, command)
            case InviteRevoke():
                self._revoke(ctx, command)
            case InviteList():
                ctx.reply(InviteListing(command.ref, [known.invite for known in self._invites.values()]))
            case RoomQuit():
                self._quit(ctx, command)

    def wait_ms(self, authority: Authority, command: Command, now: int, scale: float) -> int:
        if isinstance(command, InviteAccept | RoomQuit):
            return 0  # a class comes in at once; tries of codes are limited before they get here
        return super().wait_ms(authority, command, now, scale)

    def _create(self, ctx: Context, command: InviteCreate) -> None:
        forgotten = self._make_room(ctx.now)
        code, invite = new_invite_code(), new_id(ctx.now, ctx.random.getrandbits(74))
        expires_at = None if command.expires_in_ms is None else ctx.now + command.expires_in_ms
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        event = InviteCreated(**fields, invite=invite, expires_at=expires_at, uses=command.uses)
        ctx.persist(event, private=InviteFacts(invite_digest(code), forgotten), audience=self._staff())
        ctx.reply(InviteCode(command.ref, invite, code, event.offset, expires_at, command.uses))

    def _make_room(self, now: int) -> list[str]:
        """Which invites are to be forgotten for another one. Raises LimitExceeded: none that is there is over."""
        if len(self._invites) < MAX_INVITES:
            return []
        over = next((name for name, known in self._invites.items() if known.is_over(now)), None)
        if over is None:
            raise LimitExceeded(f"a room has at most {MAX_INVITES} invites: revoke one")
        return [over]

    def _revoke(self, ctx: Context, command: InviteRevoke) -> None:
        if command.invite not in self._invites:
            raise NotFound("no such invite in this room")
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        ctx.persist(InviteRevoked(**fields, invite=command.invite), audience=self._staff())

    def _accept(self, ctx: Context, command: InviteAccept) -> None:
        """Who belongs to the room already needs no code that is still good, but one that was: their link goes on working for them."""
        room, authority = self.room, ctx.authority
        known = self._match(command.code)
        if known is None:
            raise hidden(room)
        if room.is_insider(authority):
            return
        if known.is_over(ctx.now) or room.known.archived_at is not None:
            raise hidden(room)
        if room.known.locked:
            raise RoomLocked("this room is locked: nobody new comes in")
        if len(room.members) >= MAX_MEMBERS:
            raise LimitExceeded(f"a room has at most {MAX_MEMBERS} members")
        person = authority.principal
        ctx.persist(MemberAdded(**stamp(ctx, room, command.nonce, person), person=person, invite=known.invite.invite))

    def _match(self, code: str) -> Known | None:
        """The invite of this code; it takes as long whichever it is."""
        digest = invite_digest(code)
        matching = [known for known in self._invites.values() if compare_digest(known.digest, digest)]
        return matching[0] if matching else None

    def _quit(self, ctx: Context, command: RoomQuit) -> None:
        """By all the names that they are a member by."""
        for name in self.room.names(ctx.authority):
            if name in self.room.members:
                ctx.persist(MemberRemoved(**stamp(ctx, self.room, command.nonce, ctx.authority.principal), person=name))

    def _staff(self) -> Audience:
        room = self.room
        names = (room.host, *room.cohosts)
        return Audience(only=frozenset((*names, *map(room.roster.now, names))))
