"""What HTTP answers look like: JSON in camelCase, times in integer milliseconds."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from commonroom.account.proof import Purpose
from commonroom.identity import ActorType, Authority, Principal
from commonroom.protocol.room import RoomInfo, RoomView, Theme, Visibility
from commonroom.protocol.roster import Role
from commonroom.protocol.status import Status
from commonroom.protocol.timer import Phase, Timer, TimerPolicy, TimerSettings
from commonroom.storage.repository.login_session import Known
from commonroom.storage.repository.room_list import ListStatus

__all__ = [
    "Account", "Author", "Block", "BlockList", "ChallengeShape", "Confirmed", "Me", "MessagePage", "MessageRow", "MethodShape", "Methods",
    "Person", "ProviderShape", "Providers", "PublicProfile", "Redirect", "Registered", "RoomCard", "RoomDetail", "RoomPage", "Session",
    "SignedInPlace", "SignedInPlaces", "UserCard", "UserList", "WsToken", "author_fields", "card_fields", "person",
]  # fmt: skip


class Shape(Struct, frozen=True, rename="camel"):
    """Base of answers."""


class PrincipalShape(Shape, frozen=True):
    """A principal, by name instead of by place."""

    actor_type: ActorType
    actor_id: str


class Person(PrincipalShape, frozen=True):
    """A principal with the name people see; empty once the person is gone."""

    name: str


class Author(Person, frozen=True):
    """Who wrote; `user`: the account that this actor is, or became (FEATURES P2)."""

    user: str | None


class Block(Person, frozen=True):
    """Somebody who is blocked. `username` null: they have none."""

    username: str | None
    blocked_at: int


class BlockList(Shape, frozen=True):
    """Those whom I block."""

    blocks: list[Block]


class Me(Shape, frozen=True):
    """Who the request's sender is; `guests`: ids of guests that this user was (FEATURES P2)."""

    principal: PrincipalShape
    name: str
    session_id: str
    guests: tuple[str, ...]


class Session(Me, frozen=True):
    """A login session's tokens. `refresh_token` is told to clients that take no cookie."""

    role: str
    access_token: str
    access_expires_at: int
    refresh_token: str | None


class Confirmed(Session, frozen=True):
    """As `Session`; `purpose`: what the letter was about."""

    purpose: Purpose


class Registered(Shape, frozen=True):
    """A secret for /v1/auth/confirm: only with it the account gets the name and the password that were sent."""

    registration: str


class Account(Me, frozen=True):
    """A user's own account. `username` None: not chosen yet."""

    role: str
    username: str | None
    email: str | None
    has_password: bool
    avatar: str
    status_text: str
    created_at: int


class MethodShape(Shape, frozen=True):
    """A provider that is linked; `email` as it told it."""

    provider: str
    email: str | None
    linked_at: int


class Methods(Shape, frozen=True):
    """All of them, the first linked first."""

    methods: list[MethodShape]


class ProviderShape(Shape, frozen=True):
    """A provider to sign in with."""

    name: str
    label: str


class ChallengeShape(Shape, frozen=True):
    """The widget that gives a challenge token, and the action it is to be shown for."""

    site_key: str
    script_url: str
    action: str


class Providers(Shape, frozen=True):
    """What one can sign in with; `mail`: whether letters are sent; `challenge`: how guests prove being a person, null: they need not."""

    providers: list[ProviderShape]
    mail: bool
    challenge: ChallengeShape | None = None


class Redirect(Shape, frozen=True):
    """Where to go."""

    url: str


class UserCard(Shape, frozen=True):
    """A user in a list."""

    username: str
    name: str
    avatar: str


class UserList(Shape, frozen=True):
    """Those found."""

    users: list[UserCard]


class PublicProfile(UserCard, frozen=True):
    """A user, as the sender may see them.

    `lastSeen`: while offline, to the minute; null: not told. `room`: where they are, if that is told.
    """

    status_text: str
    created_at: int
    status: Status
    last_seen: int | None
    room: str | None


class SignedInPlace(Shape, frozen=True):
    """Where somebody is signed in; `here`: this request's own login session. Times in cluster ms."""

    session_id: str
    agent: str
    created_at: int
    last_seen: int
    here: bool


class SignedInPlaces(Shape, frozen=True):
    """All of them, the latest seen first."""

    sessions: list[SignedInPlace]


class WsToken(Shape, frozen=True):
    """A ws token and when it ends, cluster ms."""

    token: str
    expires_at: int


class TimerLengths(Shape, frozen=True):
    """Timer settings."""

    focus_ms: int
    short_break_ms: int
    long_break_ms: int
    long_every: int
    auto_start: bool


class TimerShape(Shape, frozen=True):
    """The timer; see the protocol's `Timer`."""

    version: int
    status: str
    phase: Phase
    remaining_ms: int
    ends_at: int | None
    focus_done: int
    settings: TimerLengths
    length_ms: int


class RoomCard(Shape, frozen=True):
    """What a room is; `slow_ms` 0 and `size_limit` 0: none. `archived_at` null: it is open."""

    id: str
    kind: str
    title: str
    topic: str
    language: str
    visibility: Visibility
    created_at: int
    created_by: PrincipalShape
    url: str
    tags: list[str]
    size_limit: int
    theme: Theme
    timer_policy: TimerPolicy
    slow_ms: int
    locked: bool
    host: PrincipalShape
    archived_at: int | None


class RoomDetail(RoomCard, frozen=True):
    """A room by itself: its settings, who is here now, its timer, and what I am in it."""

    present: int
    timer: TimerShape | None
    cohosts: list[PrincipalShape]
    role: Role


class RoomListing(RoomCard, frozen=True):
    """A room of the public list, as it was at most two seconds before.

    `phase` and `ends_at`: of a timer that runs. `active_at`: the last event, to the minute. `status`: active while a timer runs,
    or somebody is there and something happened within 10 minutes.
    """

    present: int
    phase: Phase | None
    ends_at: int | None
    active_at: int
    status: ListStatus


class RoomPage(Shape, frozen=True):
    """A page of the public list; `next_cursor` None: there is no more."""

    rooms: list[RoomListing]
    next_cursor: str | None


class MessageRow(Shape, frozen=True):
    """A message as it reads now; `id` is its offset."""

    id: int
    at: int
    author: Author
    text: str
    edited_at: int | None
    deleted: bool
    nonce: str | None


class MessagePage(Shape, frozen=True):
    """Messages newest page first, oldest first within it; `next_cursor` is the next `before`."""

    messages: list[MessageRow]
    has_more: bool
    next_cursor: str | None


def principal_shape(principal: Principal) -> PrincipalShape:
    """A principal by name."""
    return PrincipalShape(principal.actor_type, principal.actor_id)


def person(principal: Principal, name: str) -> Person:
    """A principal with its name."""
    return Person(principal.actor_type, principal.actor_id, name)


def author_fields(person: Principal, names: Mapping[str, Known]) -> tuple[ActorType, str, str, str | None]:
    """Those of `Author`, in order; `names`: as known today."""
    known = names.get(person.actor_id)
    return person.actor_type, person.actor_id, "" if known is None else known.name, None if known is None else known.user


def room_card(room: str, info: RoomInfo) -> RoomCard:
    """A room in a list."""
    return RoomCard(*card_fields(room, info))


def room_detail(view: RoomView, authority: Authority) -> RoomDetail:
    """A room by itself, to somebody."""
    timer = None if view.timer is None else timer_shape(view.timer)
    cohosts = [principal_shape(one) for one in view.cohosts]
    return RoomDetail(*(*card_fields(view.room, view.info), view.present, timer, cohosts, _role(view, authority)))


def _role(view: RoomView, authority: Authority) -> Role:
    if authority.owns(view.info.host or view.info.created_by):
        return "host"
    return "cohost" if any(map(authority.owns, view.cohosts)) else "participant"


def card_fields(room: str, info: RoomInfo) -> tuple[Any, ...]:
    """Those of `RoomCard`, in order."""
    return (
        room, info.kind, info.title, info.topic, info.language, info.visibility, info.created_at, principal_shape(info.created_by),
        f"/r/{room}", info.tags, info.size_limit, info.theme, info.timer_policy, info.slow_ms, info.locked,
        principal_shape(info.host or info.created_by), info.archived_at,
    )  # fmt: skip


def timer_shape(timer: Timer) -> TimerShape:
    """The timer by name."""
    settings: TimerSettings = timer.settings
    lengths = TimerLengths(settings.focus_ms, settings.short_break_ms, settings.long_break_ms, settings.long_every, settings.auto_start)
    return TimerShape(
        timer.version, timer.status, timer.phase, timer.remaining_ms, timer.ends_at, timer.focus_done, lengths, timer.length_ms
    )  # fmt: skip
