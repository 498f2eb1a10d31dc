"""Invites: links and codes that make somebody a member of a room (FEATURES P17, M8)."""

from typing import Annotated, Final, NamedTuple, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from commonroom.codes import ErrorCode
from commonroom.identity import Principal
from commonroom.protocol.moderation import RoomModerated
from commonroom.protocol.wire import Command, Count, DurablePush, Expulsion, Millis, Nonce, Ref, RoomId, ServerMessage

__all__ = [
    "MEMBERSHIP_EVENTS",
    "NO_LONGER_A_MEMBER",
    "Invite",
    "InviteAccept",
    "InviteCode",
    "InviteCreate",
    "InviteCreated",
    "InviteFacts",
    "InviteId",
    "InviteList",
    "InviteListing",
    "InviteRevoke",
    "InviteRevoked",
    "MemberAdded",
    "MemberRemoved",
    "Membership",
    "RoomQuit",
    "membership",
]

NO_LONGER_A_MEMBER: Final = "you are a member no longer"

InviteId = Annotated[str, Meta(min_length=1, max_length=32)]
"""Names an invite. It opens nothing: that is the code."""

Code = Annotated[str, Meta(min_length=1, max_length=32)]
"""As people type it: case, spaces and hyphens do not matter."""

Lifetime = Annotated[int, Meta(ge=60_000, le=366 * 24 * 3600 * 1000)]
"""A minute to a year."""

Uses = Annotated[int, Meta(ge=1, le=5000)]


class InviteCreate(Command, frozen=True, tag=19):
    """Make an invite, answered by `invite.code`. None: it does not expire; it may be used by any number."""

    room: RoomId
    nonce: Nonce
    expires_in_ms: Lifetime | None = None
    uses: Uses | None = None


class InviteRevoke(Command, frozen=True, tag=20):
    """Make an invite worthless. Those it brought stay."""

    room: RoomId
    nonce: Nonce
    invite: InviteId


class InviteAccept(Command, frozen=True, tag=21):
    """Become a member by an invite's code; a member's second time uses nothing up."""

    room: RoomId
    nonce: Nonce
    code: Code


class InviteList(Command, frozen=True, tag=39):
    """Ask for the invites there are, answered by `invite.listing`."""

    room: RoomId


class RoomQuit(Command, frozen=True, tag=35):
    """Be a member no longer. Whoever is none is told so by offset 0."""

    room: RoomId
    nonce: Nonce


class InviteCode(ServerMessage, frozen=True, tag=86):
    """Answers `invite.create`: the code, which is told this once."""

    ref: Ref
    invite: InviteId
    code: str
    offset: Count = 0
    expires_at: Millis | None = None
    uses: Count | None = None


class Invite(Struct, frozen=True, array_like=True, gc=False):
    """An invite as it stands. `used` counts those whom it brought."""

    invite: InviteId
    at: Millis
    author: Principal | None
    expires_at: Millis | None = None
    uses: Count | None = None
    used: Count = 0


class InviteListing(ServerMessage, frozen=True, tag=87):
    """Answers `invite.list`: those that were not revoked, the oldest first, at most 100. Some may be over."""

    ref: Ref
    invites: list[Invite]

    def without(self, hidden: frozenset[Principal]) -> Self:
        """How this looks to somebody who does not see these people."""
        return replace(self, invites=[replace(one, author=None) if one.author in hidden else one for one in self.invites])


class InviteCreated(DurablePush, frozen=True, tag=77):
    """There is an invite. Seen by host and co-hosts only."""

    invite: InviteId
    expires_at: Millis | None = None
    uses: Count | None = None

    def without(self, hidden: frozenset[Principal]) -> Self:
        return self.unsigned(hidden)


class InviteFacts(Struct, frozen=True, array_like=True):
    """Private facts of `invite.created`: the digest of the code, and the invites, all over, that were forgotten for it."""

    digest: bytes
    forgotten: list[str] = []


class InviteRevoked(DurablePush, frozen=True, tag=78):
    """An invite is worthless from here on. Seen by host and co-hosts only."""

    invite: InviteId

    def without(self, hidden: frozenset[Principal]) -> Self:
        return self.unsigned(hidden)


class MemberAdded(DurablePush, frozen=True, tag=79):
    """`person` is a member of the room, by `invite` or, if None, otherwise."""

    person: Principal
    invite: InviteId | None = None

    def without(self, hidden: frozenset[Principal]) -> Self | None:
        return None if self.person in hidden else self.unsigned(hidden)


class MemberRemoved(DurablePush, frozen=True, tag=85):
    """`person` is a member no longer, and gone."""

    person: Principal

    def without(self, hidden: frozenset[Principal]) -> Self | None:
        return None if self.person in hidden else self.unsigned(hidden)

    def expelled(self) -> Expulsion:
        return Expulsion(frozenset({self.person}), ErrorCode.NOT_JOINED, NO_LONGER_A_MEMBER)


class Membership(NamedTuple):
    """What an event says of members: who is one from it on, by which invite if by any, and who is one no longer."""

    added: tuple[Principal, ...] = ()
    removed: tuple[Principal, ...] = ()
    invite: str | None = None


MEMBERSHIP_EVENTS: Final = (MemberAdded, MemberRemoved, RoomModerated)
"""Those that `membership` knows."""


def membership(event: DurablePush) -> Membership | None:
    """What an event says of members; None: nothing.

    Whoever is kicked or banned has to be invited again. Who is a co-host no longer is a member:
    a private room would turn its own founder away otherwise.
    """
    match event:
        case MemberAdded():
            return Membership(added=(event.person,), invite=event.invite)
        case MemberRemoved():
            return Membership(removed=(event.person,))
        case RoomModerated(action="kick" | "ban"):
            return Membership(removed=(event.person, *event.guests))
        case RoomModerated(action="role", role="participant"):
            return Membership(added=(event.person,))
    return None
