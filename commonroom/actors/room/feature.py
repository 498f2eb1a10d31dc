"""What a feature of a room is, and what features share.

A feature owns a part of the state and the commands, events and wakes it names. The
room calls it for those alone. Hooks follow the actor's contract (`engine/actor.py`):
`receive`, `wake`, `arrived` and `departed` emit effects, `apply` is the fold. Features
do not know each other; what one hears of another comes through `observes`.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, ClassVar, Final, get_args

from msgspec import Raw, Struct

from commonroom.actors.room.flood import Flood
from commonroom.actors.room.load import Load
from commonroom.actors.room.penalty import Penalties
from commonroom.actors.room.roster import Member, Roster
from commonroom.actors.room.text import check_line, check_voice
from commonroom.engine.actor import Audience, Context, Deadline, Wake
from commonroom.errors import CommonroomError, NotFound
from commonroom.identity import Authority, Principal
from commonroom.moderation import NO_WORDS, UNFILTERED, Filter
from commonroom.permissions import ADMITTED, HOST, STAFF, TIMER, Need
from commonroom.protocol.room import RoomInfo
from commonroom.protocol.roster import Role
from commonroom.protocol.timer import TimerPolicy
from commonroom.protocol.wire import Command, DurablePush, RoomPush

__all__ = ["MAX_FORMER", "Aside", "Feature", "Room", "alone", "stamp"]

MAX_FORMER: Final = 1000
"""Guests who hold something in a room and are known to be users now, the latest. Gone with the activation."""

POLICIES: Final[tuple[TimerPolicy, ...]] = get_args(TimerPolicy)

ROLES: Final[Mapping[tuple[Role, TimerPolicy], tuple[Need, ...]]] = {
    **{("host", policy): (ADMITTED, STAFF, HOST, TIMER) for policy in POLICIES},
    ("cohost", "host"): (ADMITTED, STAFF),
    ("cohost", "cohosts"): (ADMITTED, STAFF, TIMER),
    ("cohost", "everyone"): (ADMITTED, STAFF, TIMER),
    ("participant", "host"): (ADMITTED,),
    ("participant", "cohosts"): (ADMITTED,),
    ("participant", "everyone"): (ADMITTED, TIMER),
}
"""What holds between a room and somebody whom it lets in."""


class Room:
    """What every feature of one room may look at.

    Args:
        deliveries_per_s: its budget, see `Load`.
        idle_ms: how long it stays without events before it archives itself; 0: for ever.

    Attributes:
        head: the offset of the last event folded.
        active_at: when that was, cluster ms; 0: not known, in a snapshot from before it was kept.
        cohosts, bans, mutes: durable, see `Moderation`. The host stands in `info`.
        inside: who was here when it was locked, and was not sent away since; empty: it is not. Durable.
        members: who comes in whatever the visibility; see `Invites`.
        changes: how fast they come, see `Changing`; None: there was none, or there are no limits.
        former: guests who hold something here, and the users whom they became, also while those are away; see `MAX_FORMER`.
    """

    __slots__ = (
        "active_at",
        "bans",
        "changes",
        "cohosts",
        "filter",
        "former",
        "head",
        "id",
        "idle_ms",
        "info",
        "inside",
        "load",
        "members",
        "mutes",
        "roster",
        "words",
    )

    def __init__(self, room_id: str, texts: Filter = UNFILTERED, deliveries_per_s: float = inf, idle_ms: int = 0) -> None:
        self.id = room_id
        self.info: RoomInfo | None = None
        self.head = 0
        self.active_at = 0
        self.idle_ms = idle_ms
        self.cohosts: dict[Principal, None] = {}
        self.bans = Penalties()
        self.mutes = Penalties()
        self.inside: dict[Principal, None] = {}
        self.members: dict[Principal, None] = {}
        self.former: dict[Principal, Principal] = {}
        self.roster = Roster()
        self.filter = texts
        self.words = NO_WORDS
        self.load = Load(deliveries_per_s)
        self.changes: Flood | None = None

    def publish(self, ctx: Context, push: RoomPush, *, conflate: str | None = None, audience: Audience | None = None) -> None:
        """A volatile push, as `Context.publish`; it counts towards the room's load."""
        self.load.pushes += 1
        ctx.publish(push, conflate=conflate, audience=audience)

    def clean(self, text: str, field: str) -> str:
        """What people write, as it may be shown here. Raises Invalid: it may not."""
        return self.filter.clean(text, field, self.words)

    def why(self, ctx: Context, text: str) -> str:
        """A reason, as it may be shown here; it may be empty. Raises Invalid, and Forbidden: an admin has muted them."""
        if not text:
            return ""
        check_voice(ctx)
        return self.clean(check_line(text, "why"), "why")

    # -- who is who ------------------------------------------------------------

    @property
    def known(self) -> RoomInfo:
        """What it is. Raises NotFound: it does not exist."""
        if self.info is None:
            raise NotFound(f"no room {self.id[:40]!r}")
        return self.info

    @property
    def host(self) -> Principal:
        """By the name they had when they became it."""
        return self.known.host or self.known.created_by

    def names(self, authority: Authority) -> tuple[Principal, ...]:
        """Somebody by the names they are known by: here, by their token, as the guests they were."""
        own = authority.principal
        here = self.roster.now(own)
        names = (own,) if here == own else (here, own)
        return (*names, *(Principal("guest", guest) for guest in authority.guests)) if authority.guests else names

    def role(self, authority: Authority) -> Role:
        """A user who was host or co-host as a guest is so by any token, also by one that does not say so yet."""
        return self.role_of(self.names(authority))

    def role_of(self, names: tuple[Principal, ...]) -> Role:
        """The role of whoever has these names. O(co-hosts)."""
        now, host = self.roster.now, self.host
        if host in names or now(host) in names:
            return "host"
        return "cohost" if any(one in names or now(one) in names for one in self.cohosts) else "participant"

    def is_insider(self, authority: Authority) -> bool:
        """Whether they are host, co-host or a member."""
        names = self.names(authority)
        return self.role_of(names) != "participant" or any(name in self.members for name in names)

    def came(self, person: Principal, guests: Iterable[Principal]) -> None:
        """Somebody is here who was these guests: what those hold is theirs, and that is remembered when they leave. O(guests)."""
        for guest in guests:
            if self._knows(guest) or guest in self.bans or guest in self.mutes:
                self.former[guest] = person
        while len(self.former) > MAX_FORMER:
            del self.former[next(iter(self.former))]

    def guests_of(self, person: Principal) -> tuple[Principal, ...]:
        """The guests whom somebody is known to have been; of who is away those alone who hold something here. O(`former`)."""
        member = self.roster.get(self.roster.now(person))
        return tuple(guest for guest, user in self.former.items() if user == person) if member is None else member.guests

    def told_of(self, person: Principal, guests: Iterable[Principal]) -> list[Principal]:
        """Of the guests somebody was, those whom this room has seen: who they were elsewhere is nobody's business here."""
        member = self.roster.get(person)
        seen = set(() if member is None else member.seen)
        seen.update(penalty.person for penalties in (self.bans, self.mutes) for penalty in penalties.dump())
        return [guest for guest in guests if guest in seen or self._knows(guest)]

    def _knows(self, guest: Principal) -> bool:
        """Whether a guest holds something here, a place in the locked room at least."""
        return guest == self.host or guest in self.cohosts or guest in self.members or guest in self.inside

    def staff(self) -> Audience:
        """Host and co-hosts, for what they alone see."""
        return Audience(only=frozenset({self.host, *self.cohosts}))

    def holds(self, authority: Authority) -> tuple[Need, ...]:
        """What holds between the room and somebody whom it lets in, for `permissions.require`."""
        return ROLES[self.role(authority), self.known.timer_policy]


class Feature:
    """One ability of a room. A hook that is not overridden does nothing."""

    __slots__ = ("room",)

    name: ClassVar[str]
    """Names its part of the snapshot and its wakes: it never changes."""
    commands: ClassVar[tuple[type[Command], ...]] = ()
    observes: ClassVar[tuple[type[Command], ...]] = ()
    """Commands of other features after which `observed` is called."""
    events: ClassVar[tuple[type[DurablePush], ...]] = ()

    def __init__(self, room: Room) -> None:
        self.room = room

    def receive(self, ctx: Context, command: Command) -> None:
        """Handle one of `commands`; the sender is admitted to the room."""

    def observed(self, ctx: Context, command: Command) -> None:
        """One of `observes` succeeded. It may have persisted: this must not raise."""

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        """Fold one of `events`. Pure."""

    def wake(self, ctx: Context, wake: Wake) -> None:
        """A deadline named after this feature."""

    def due(self) -> Deadline | None:
        """The durable deadline, if there is one, with a wake of this feature's name."""
        return None

    def needs(self, command: Command) -> int | None:
        """See `Actor.needs`."""
        return None

    def arrived(self, ctx: Context, member: Member) -> None:
        """A person's first session joined, or the person has a new name."""

    def upgraded(self, ctx: Context, former: Principal, member: Member) -> None:
        """The place of the guest `former` is `member`'s now, who may have been here besides."""

    def announced(self, ctx: Context) -> None:
        """A session that followed the room before this activation is known again."""

    def departed(self, ctx: Context, member: Member) -> None:
        """A person's last session is gone."""

    def load_changed(self, ctx: Context) -> None:
        """The room leaves out more than before, or less: `room.load.level`."""

    def wait_ms(self, authority: Authority, command: Command, now: int, scale: float) -> int:
        """See `Actor.wait_ms`; the sender is admitted to the room."""
        return 0

    def silences(self, authority: Authority, command: Command, now: int) -> CommonroomError | None:
        """Why they may not say this now; asked of what people say, before it is handled. None: they may."""
        return None

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        """This feature's fields of `Joined`."""
        return {}

    def resync(self) -> RoomPush | None:
        """A fresh volatile snapshot for a reader that lost deltas."""
        return None

    def dump(self) -> Any:
        """The durable part of the state; None: there is none."""
        return None

    def load(self, part: Raw) -> None:
        """Take over what `dump` gave; not called where there was no such part."""


class Aside(Struct, frozen=True, array_like=True):
    """The private facts of an event that only its author sees."""


def alone(authority: Authority) -> Audience:
    """Themselves, whoever of themselves they were."""
    return Audience(only=frozenset({authority.principal, *(Principal("guest", guest) for guest in authority.guests)}))


def stamp(ctx: Context, room: Room, nonce: str | None, author: Principal | None) -> dict[str, Any]:
    """The fields that every durable push begins with."""
    return {"room": room.id, "offset": ctx.next_offset, "at": ctx.now, "author": author, "nonce": nonce}
