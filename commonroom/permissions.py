"""Who may do what: one table for HTTP and WebSocket alike (FEATURES P6, P7, H3). docs/PERMISSIONS.md is made from it.

A row is an action: the wire name of a command, or what a route calls itself. A column is who asks, a cell what has
to hold between them and the thing. The edges ask `require_kind` before anything else is done; whoever knows the thing
(the room's actor, a repository's statement) asks `require` with what holds.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal, NamedTuple

from commonroom.errors import Forbidden, InternalError, SignInNeeded, Unauthenticated
from commonroom.identity import Authority

__all__ = [
    "ADMITTED",
    "ALWAYS",
    "HOST",
    "KINDS",
    "NEVER",
    "OWN",
    "STAFF",
    "TABLE",
    "TIMER",
    "Kind",
    "Need",
    "Rule",
    "kind_of",
    "require",
    "require_kind",
]

Kind = Literal["nobody", "guest", "user", "admin"]
"""`nobody` shows no token. An admin is a user whose role is ADMIN."""

KINDS: Final[tuple[Kind, ...]] = ("nobody", "guest", "user", "admin")


class Need(Enum):
    """What has to hold between who asks and the thing."""

    NEVER = "never"
    ALWAYS = "yes"
    ADMITTED = "in the room"
    """The room lets them in: by its visibility, or by a grant of theirs."""
    OWN = "own"
    """It is theirs, or was while they were a guest."""
    HOST = "host"
    """They are the room's host."""
    STAFF = "host or co-host"
    TIMER = "who works the timer"
    """Host, co-hosts or everybody in the room, as the room has it."""


class Rule(NamedTuple):
    """What each kind needs for an action."""

    nobody: Need
    guest: Need
    user: Need
    admin: Need

    def of(self, kind: Kind) -> Need:
        """The cell of that column."""
        need: Need = getattr(self, kind)
        return need


NEVER: Final = Need.NEVER
ALWAYS: Final = Need.ALWAYS
ADMITTED: Final = Need.ADMITTED
OWN: Final = Need.OWN
HOST: Final = Need.HOST
STAFF: Final = Need.STAFF
TIMER: Final = Need.TIMER

EVERYBODY: Final = Rule(ALWAYS, ALWAYS, ALWAYS, ALWAYS)
SIGNED_IN: Final = Rule(NEVER, ALWAYS, ALWAYS, ALWAYS)
"""A guest is signed in, too: to a login session."""
USERS: Final = Rule(NEVER, NEVER, ALWAYS, ALWAYS)
ADMINS: Final = Rule(NEVER, NEVER, NEVER, ALWAYS)
IN_THE_ROOM: Final = Rule(NEVER, ADMITTED, ADMITTED, ADMITTED)
OWNERS: Final = Rule(NEVER, OWN, OWN, OWN)
HOSTS: Final = Rule(NEVER, HOST, HOST, HOST)
HOSTS_AND_COHOSTS: Final = Rule(NEVER, STAFF, STAFF, STAFF)
TIMEKEEPERS: Final = Rule(NEVER, TIMER, TIMER, TIMER)

TABLE: Final[Mapping[str, Rule]] = {
    # The socket.
    "hello": EVERYBODY,
    "refresh": SIGNED_IN,
    "heartbeat.reply": SIGNED_IN,
    # Rooms. An admin is nobody special in them.
    "room.list": EVERYBODY,
    "room.read": IN_THE_ROOM,
    "room.join": IN_THE_ROOM,
    "room.leave": SIGNED_IN,
    "room.create": SIGNED_IN,
    "room.create.public": USERS,
    "room.update": HOSTS_AND_COHOSTS,
    "room.update.settings": HOSTS,
    "room.archive": HOSTS,
    "room.kick": HOSTS_AND_COHOSTS,
    "room.ban": HOSTS_AND_COHOSTS,
    "room.unban": HOSTS_AND_COHOSTS,
    "room.bans": HOSTS_AND_COHOSTS,
    "room.mute": HOSTS_AND_COHOSTS,
    "room.mutes": HOSTS_AND_COHOSTS,
    "room.unmute": HOSTS_AND_COHOSTS,
    "room.role": HOSTS,
    "room.quit": IN_THE_ROOM,
    "member.list": IN_THE_ROOM,
    "invite.create": HOSTS_AND_COHOSTS,
    "invite.list": HOSTS_AND_COHOSTS,
    "invite.revoke": HOSTS_AND_COHOSTS,
    "invite.accept": SIGNED_IN,
    "visit.list": USERS,
    "visit.merge": USERS,
    "favourite.list": USERS,
    "favourite.add": Rule(NEVER, NEVER, ADMITTED, ADMITTED),
    "favourite.remove": Rule(NEVER, NEVER, OWN, OWN),
    "message.list": IN_THE_ROOM,
    "message.send": IN_THE_ROOM,
    "message.edit": OWNERS,
    "message.delete": OWNERS,
    "typing.start": IN_THE_ROOM,
    "typing.stop": IN_THE_ROOM,
    "cast.send": IN_THE_ROOM,
    "timer.start": TIMEKEEPERS,
    "timer.pause": TIMEKEEPERS,
    "timer.resume": TIMEKEEPERS,
    "timer.skip": TIMEKEEPERS,
    "timer.reset": TIMEKEEPERS,
    "timer.extend": TIMEKEEPERS,
    "timer.configure": TIMEKEEPERS,
    # The list, live, and users' status.
    "listing.watch": SIGNED_IN,
    "status.set": USERS,
    "status.watch": SIGNED_IN,
    # Signing in and out.
    "guest.create": EVERYBODY,
    "auth.sign_in": EVERYBODY,
    "auth.refresh": EVERYBODY,
    "auth.sign_out": EVERYBODY,
    "auth.sign_out_elsewhere": SIGNED_IN,
    "ws_token.create": SIGNED_IN,
    # Oneself: what a token cannot name cannot be somebody else's.
    "me.read": SIGNED_IN,
    "me.change": SIGNED_IN,
    "me.change.profile": USERS,
    "me.preferences": USERS,
    "me.export": SIGNED_IN,
    "me.connections": SIGNED_IN,
    "me.delete": USERS,
    "me.sessions": SIGNED_IN,
    "me.sessions.end": OWNERS,
    "me.username": USERS,
    "me.password": USERS,
    "me.email": USERS,
    "me.methods": USERS,
    # Others.
    "user.search": USERS,
    "user.read": SIGNED_IN,
    "block.list": USERS,
    "block.change": USERS,
    "report.create": SIGNED_IN,
    # The server.
    "health.read": EVERYBODY,
    "docs.read": EVERYBODY,
    "socket.open": EVERYBODY,
    "admin.read": ADMINS,
    "admin.report.resolve": ADMINS,
    "admin.sanction": ADMINS,
    "admin.session.end": ADMINS,
    "admin.flag": ADMINS,
}


def kind_of(authority: Authority | None) -> Kind:
    """The column of who asks."""
    if authority is None:
        return "nobody"
    if authority.principal.actor_type == "guest":
        return "guest"
    return "admin" if authority.global_role == "ADMIN" else "user"


def require_kind(action: str, authority: Authority | None) -> None:
    """Refuse whom the action is closed to whatever the thing is.

    Raises:
        Unauthenticated: nobody may, but somebody might.
        SignInNeeded: a guest may not, a user might.
        Forbidden: not for them.
    """
    kind = kind_of(authority)
    rule = _rule(action)
    if rule.of(kind) is not NEVER:
        return
    if kind == "nobody":
        raise Unauthenticated("sign in first")
    if kind == "guest" and rule.user is not NEVER:
        raise SignInNeeded("sign in to unlock this", action=action)
    raise Forbidden("this is not for you to do", action=action)


def require(action: str, authority: Authority | None, *holds: Need, why: str = "this is not for you to do") -> None:
    """Refuse whoever the action is closed to, as things stand.

    Args:
        holds: what is true between them and the thing.
        why: said to whom it is refused.

    Raises:
        Unauthenticated, SignInNeeded, Forbidden: see `require_kind`; Forbidden also where what is needed does not hold.
    """
    require_kind(action, authority)
    need = _rule(action).of(kind_of(authority))
    if need is not ALWAYS and need not in holds:
        raise Forbidden(why, action=action)


def _rule(action: str) -> Rule:
    rule = TABLE.get(action)
    if rule is None:
        raise InternalError(f"no rule for {action}")
    return rule
