"""Who acts, and what the edge has verified about them."""

from typing import Final, Literal, NewType

from msgspec import Struct

__all__ = ["MAX_GUESTS", "ActorType", "Authority", "Principal", "RoomGrant", "SessionId", "Standing", "guest_part", "whose_guest_part"]

ActorType = Literal["guest", "user"]

Standing = Literal["", "mute", "shadow"]
"""mute: says nothing. shadow: is heard by nobody else, and not told."""

MAX_GUESTS: Final = 16
"""The latest are carried by tokens, so that earlier messages stay their author's."""

SessionId = NewType("SessionId", str)
"""A login session (`sid`): a row that survives reload and upgrade. Public; its secret is separate."""


class Principal(Struct, frozen=True, array_like=True, gc=False):
    """Who acts, on the wire as `[actorType, actorId]`.

    A guest's id is its login session's id, a user's id is its own (FEATURES P1).
    """

    actor_type: ActorType
    actor_id: str


class RoomGrant(Struct, frozen=True, gc=False):
    """A right to one room, from a room-bound token (FEATURES P4)."""

    room: str
    participant_id: str
    role: Literal["host", "participant"]


class Authority(Struct, frozen=True, gc=False):
    """What the edge verified, carried by every command, never taken from a payload.

    `name` is the display name at the time of the token, 1-64 characters.
    `expires_at` is the token's end in cluster time.
    """

    principal: Principal
    sid: SessionId
    name: str
    expires_at: int
    global_role: Literal["USER", "ADMIN"] = "USER"
    grants: tuple[RoomGrant, ...] = ()
    bound: bool = False
    """A bound token admits to the rooms of its grants only."""
    guests: tuple[str, ...] = ()
    """Ids of guests that this user was: login sessions of theirs that began as a guest's, at most `MAX_GUESTS`."""
    sanction: Standing = ""
    """What an admin has imposed on them, as the edge knows it; see `stands`."""
    sanction_until: int = 0
    """Its end in cluster time; 0: it has none."""
    shadow_until: int | None = None
    """Of a shadow behind that mute, which counts once the mute has ended: its end, as above; None: there is none."""

    @property
    def actors(self) -> tuple[str, ...]:
        """The ids of who they are and were."""
        return (self.principal.actor_id, *self.guests)

    def stands(self, now: int) -> Standing:
        """Their standing at `now`, cluster ms."""
        if not self.sanction_until or now < self.sanction_until:
            return self.sanction
        behind = self.shadow_until
        return "shadow" if behind is not None and (not behind or now < behind) else ""

    def owns(self, principal: Principal | None) -> bool:
        """Whether it is the same person: itself, or a guest it was (FEATURES P2)."""
        if principal is None:
            return False
        return principal == self.principal or (principal.actor_type == "guest" and principal.actor_id in self.guests)


GUEST_PART: Final = "guest:"


def guest_part(sid: SessionId) -> SessionId:
    """What ends of a login session when its guest signs in: the tokens that speak for the guest."""
    return SessionId(GUEST_PART + sid)


def whose_guest_part(sid: SessionId) -> SessionId | None:
    """The login session of which this is the guest's part; None: it is a whole one."""
    return SessionId(sid.removeprefix(GUEST_PART)) if sid.startswith(GUEST_PART) else None
