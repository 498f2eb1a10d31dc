"""The room: one actor type composed of features, chosen by the kind of its create event."""

from math import inf
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Raw, Struct

from commonroom.actors.room.feature import Feature, Room, stamp
from commonroom.actors.room.kind import PLANS, Plan, plan_of
from commonroom.actors.room.load import WAKE
from commonroom.actors.room.permit import SPEECH, permit
from commonroom.actors.room.porter import Porter
from commonroom.actors.room.presence import Presence
from commonroom.actors.room.roster import Member
from commonroom.actors.room.settings import founded, unshown, words_of
from commonroom.actors.room.text import check_voice
from commonroom.actors.room.timer import SharedTimer
from commonroom.engine.actor import Actor, Context, Deadline, Wake
from commonroom.engine.address import Address
from commonroom.errors import Conflict, Forbidden, InternalError, Invalid, NotFound, NotJoined
from commonroom.identity import Authority, Principal
from commonroom.moderation import UNFILTERED, Filter
from commonroom.permissions import TABLE, kind_of
from commonroom.protocol.invite import NO_LONGER_A_MEMBER, InviteAccept, RoomQuit
from commonroom.protocol.listing import RoomSummary
from commonroom.protocol.moderation import ASKED_TO_LEAVE, Penalized, RoomBan, RoomKick, RoomPenalties
from commonroom.protocol.presence import PresenceSnapshot
from commonroom.protocol.room import Joined, RoomCreate, RoomCreated, RoomInfo, RoomJoin, RoomLeave, RoomView
from commonroom.protocol.roster import Person
from commonroom.protocol.wire import Command, DurablePush, ServerMessage, StreamPosition

__all__ = ["RoomActor"]

MINUTE_MS: Final = 60_000

DUMP_VERSION = 2
"""1: from before rooms had moderation. Such a node would forget it."""

NOT_FOUNDED: Plan = plan_of(())

ENTRANCE = frozenset({RoomCreate, RoomJoin, RoomLeave})

EXPELLING = frozenset({RoomKick, RoomBan, RoomQuit})
"""After these somebody is here no longer."""

FROM_OUTSIDE = frozenset({InviteAccept, RoomQuit})
"""What nobody has to be here for."""


class Dump(Struct, array_like=True):
    """A room's snapshot: what it is as of event `head`, and each feature's part by name."""

    version: int
    head: int
    info: RoomInfo
    parts: dict[str, Raw]
    words: list[str] = []
    active_at: int = 0


class RoomActor(Actor):
    """Routes commands, events and wakes to the features of its kind.

    Args:
        texts: what becomes of unwanted words.
        deliveries_per_s: pushes times sessions, beyond which the room leaves things out (`Load`).
        idle_ms: how long it stays without events before it archives itself; 0: for ever.
    """

    __slots__ = ("_features", "_plan", "_porter", "address", "room")

    kind: ClassVar[str] = "room"

    def __init__(self, address: Address, texts: Filter = UNFILTERED, deliveries_per_s: float = inf, idle_ms: int = 0) -> None:
        super().__init__(address)
        self.room = Room(address.key, texts, deliveries_per_s, idle_ms)
        self._porter = Porter(self.room)
        self._plan = NOT_FOUNDED
        self._features: tuple[Feature, ...] = ()

    # -- state -----------------------------------------------------------------

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        if isinstance(event, RoomCreated):
            self._become(event.info, unshown(private).words)
        self.room.head, self.room.active_at = event.offset, event.at
        for place in self._plan.events.get(type(event), ()):
            self._features[place].apply(event, private)

    def dump(self) -> bytes:
        room = self.room
        if room.info is None:
            raise InternalError("a room that does not exist has no snapshot")
        dumped = ((feature.name, feature.dump()) for feature in self._features)
        parts = {name: Raw(msgspec.msgpack.encode(part)) for name, part in dumped if part is not None}
        return msgspec.msgpack.encode(Dump(DUMP_VERSION, room.head, room.info, parts, list(room.words.given), room.active_at))

    def load(self, snapshot: bytes) -> None:
        dump = msgspec.msgpack.decode(snapshot, type=Dump)
        if dump.version > DUMP_VERSION:
            raise InternalError(f"snapshot of version {dump.version}, newest known is {DUMP_VERSION}")
        self._become(dump.info, dump.words)
        self.room.head, self.room.active_at = dump.head, dump.active_at
        for feature in self._features:
            if (part := dump.parts.get(feature.name)) is not None:
                feature.load(part)

    def exists(self) -> bool:
        return self.room.info is not None

    def due(self) -> Deadline | None:
        earliest: Deadline | None = None
        for place in self._plan.due:
            deadline = self._features[place].due()
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def _become(self, info: RoomInfo, words: list[str]) -> None:
        self.room.info = info
        self.room.words = words_of(words)
        self._plan = PLANS[info.kind]
        self._features = tuple(feature(self.room) for feature in self._plan.features)

    def _feature(self, command: Command) -> Feature | None:
        place = self._plan.commands.get(type(command))
        return None if place is None else self._features[place]

    # -- commands --------------------------------------------------------------

    def receive(self, ctx: Context, command: Command) -> None:
        kind = type(command)
        if kind in ENTRANCE:
            self._come_or_go(ctx, command)
            return
        self._admit(ctx, is_invited=kind is InviteAccept)
        feature = self._feature(command)
        if feature is None:
            raise NotFound(f"a {self.room.known.kind} room has no such command")
        if self.room.roster.sent_away and kind not in FROM_OUTSIDE:
            self._check_not_sent_away(ctx)
        permit(self.room, ctx.authority, kind)
        if kind in SPEECH:
            self._hear(ctx, command)
        before = ctx.next_offset if kind in EXPELLING else 0
        feature.receive(ctx, command)
        for place in self._plan.observers.get(kind, ()):
            self._features[place].observed(ctx, command)
        if before and ctx.next_offset > before:
            self._expel(ctx, command)

    def _come_or_go(self, ctx: Context, command: Command) -> None:
        if isinstance(command, RoomCreate):
            self._create(ctx, command)
        elif isinstance(command, RoomJoin):
            self._admit(ctx)
            self._join(ctx, command)
        elif self.exists():
            self.detach(ctx)
        else:
            raise NotFound(f"no room {self.room.id[:40]!r}")

    def _admit(self, ctx: Context, *, is_invited: bool = False) -> None:
        """Raises what the porter says; sees now and then how busy the room is."""
        if (refusal := self._porter.refusal(ctx.authority, ctx.now, is_invited=is_invited)) is not None:
            raise refusal
        if ctx.now >= self.room.load.look_at:
            self._weigh(ctx)

    def _check_not_sent_away(self, ctx: Context) -> None:
        """Raises Forbidden, NotJoined: it was sent before they were asked to leave, or quit, and waited or was on its way."""
        quit_themselves = self.room.roster.sent_away.get(ctx.session or "")
        if quit_themselves is not None:
            raise NotJoined(NO_LONGER_A_MEMBER) if quit_themselves else Forbidden(ASKED_TO_LEAVE)

    def _hear(self, ctx: Context, command: Command) -> None:
        """Raises Forbidden, RateLimited: they say nothing, or not now."""
        authority = ctx.authority
        if authority.sanction:
            check_voice(ctx)
        for place in self._plan.silencers:
            if (reason := self._features[place].silences(authority, command, ctx.now)) is not None:
                raise reason

    def _expel(self, ctx: Context, command: Command) -> None:
        """The gateways end the subscriptions by the event; here nobody waits for that."""
        roster = self.room.roster
        person: Principal = roster.now(getattr(command, "person", ctx.authority.principal))
        self._porter.forget((person, *self.room.guests_of(person)))
        if (member := roster.expel(person, quits=isinstance(command, RoomQuit))) is not None:
            self._departed(ctx, member)
            ctx.hasten(roster.sent_away.keys())

    def needs(self, command: Command) -> int | None:
        feature = self._feature(command)
        return None if feature is None else feature.needs(command)

    def wait_ms(self, authority: Authority, command: Command, now: int, scale: float) -> int:
        feature = self._feature(command)
        if feature is None or self._porter.refusal(authority, now) is not None:
            return 0  # refused when it is handled, and no business of those who write here
        if type(command) in SPEECH:
            for place in self._plan.silencers:
                if self._features[place].silences(authority, command, now) is not None:
                    return 0
        return feature.wait_ms(authority, command, now, scale)

    def may(self, authority: Authority, action: str, now: int) -> bool:
        rule = TABLE.get(action)
        if rule is None or self._porter.refusal(authority, now) is not None:
            return False
        return rule.of(kind_of(authority)) in self.room.holds(authority)

    def view(self, hidden: frozenset[Principal] = frozenset(), action: str = "") -> RoomView | RoomPenalties:
        if action in {"room.bans", "room.mutes"}:
            penalties, now = self.room.bans if action == "room.bans" else self.room.mutes, self.room.roster.now
            return RoomPenalties([Penalized(now(one.person), one.until) for one in penalties.dump()])
        return self.shown(hidden)

    def shown(self, hidden: frozenset[Principal] = frozenset()) -> RoomView:
        """What there is to see of the room for somebody who does not see these people."""
        presence = next((feature for feature in self._features if isinstance(feature, Presence)), None)
        present = len(self.room.roster) if presence is None else presence.count(hidden)
        timer = next((feature.timer for feature in self._features if isinstance(feature, SharedTimer)), None)
        cohosts = [one for one in self.room.cohosts if one not in hidden]
        return RoomView(self.room.id, self.room.known, present, timer, cohosts)

    def summary(self) -> RoomSummary | None:
        """Of a room that the list shows."""
        info, room = self.room.info, self.room
        if info is None or info.visibility != "public" or info.archived_at is not None:
            return None
        timer = next((feature.timer for feature in self._features if isinstance(feature, SharedTimer)), None)
        phase, ends_at = (None, None) if timer is None or timer.ends_at is None else (timer.phase, timer.ends_at)
        return RoomSummary(len(room.roster), phase, ends_at, room.active_at // MINUTE_MS * MINUTE_MS)

    def attach(self, ctx: Context) -> None:
        self.refreshed(ctx)
        self.room.load.announced()
        for feature in self._features:
            feature.announced(ctx)

    def refreshed(self, ctx: Context) -> None:
        if (refusal := self._porter.refusal(ctx.authority, ctx.now)) is not None:
            raise refusal
        if ctx.session not in self.room.roster.sent_away:  # else their gateway has not heard of it, and they are not here again
            self._arrive(ctx)

    def detach(self, ctx: Context) -> None:
        if ctx.session is None or (member := self.room.roster.detach(ctx.session)) is None:
            return
        self._porter.left(member, ctx.now)
        self._departed(ctx, member)

    def wake(self, ctx: Context, wake: Wake) -> None:
        if wake.name == WAKE:
            self._weigh(ctx)
            return
        self._features[self._plan.names[wake.name]].wake(ctx, wake)

    def resync(self) -> ServerMessage | None:
        pushes = (feature.resync() for feature in self._features)
        return next((push for push in pushes if push is not None), None)

    def _weigh(self, ctx: Context) -> None:
        """See how much the room says, and to how many."""
        room = self.room
        if room.load.weigh(ctx, room.id, room.head, room.roster.sessions):
            for feature in self._features:
                feature.load_changed(ctx)

    # -- entering --------------------------------------------------------------

    def _create(self, ctx: Context, command: RoomCreate) -> None:
        if self.room.info is not None:
            raise Conflict("this room exists already")
        if ctx.authority.bound:
            raise Forbidden("a token bound to a room cannot found another")
        info, private = founded(ctx, command, self.room.filter)
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        ctx.persist(RoomCreated(**fields, info=info, timer=command.timer), private=private)

    def _join(self, ctx: Context, command: RoomJoin) -> None:
        if ctx.session is None:
            raise Invalid("a join needs a session to subscribe")
        self._porter.check_new(ctx.authority, ctx.now, ctx.activated_at)
        self.room.roster.sent_away.pop(ctx.session, None)
        self._arrive(ctx)
        snapshot: dict[str, Any] = {"presence": PresenceSnapshot(ctx.activation, 0, 0, []), "timer": None, "messages": [], "typing": []}
        for feature in self._features:
            snapshot |= feature.snapshot(ctx)
        position = StreamPosition(0, ctx.next_offset - 1)  # the gateway writes the history and the recovery
        role, load = self.room.role(ctx.authority), self.room.load.level
        ctx.admit(Joined(command.ref, self.room.id, position, "fresh", None, self.room.known, role, **snapshot, load=load))

    def _arrive(self, ctx: Context) -> None:
        if ctx.session is None:
            return
        authority, roster = ctx.authority, self.room.roster
        person = Person(authority.principal, authority.name, self.room.role(authority))
        guests = [Principal("guest", guest) for guest in authority.guests]
        for guest in guests:
            self._upgrade(ctx, guest, person)
        member = roster.attach(ctx.session, person, ctx.now)
        roster.mark(authority)
        if guests:
            roster.remember(person.principal, guests)
            self.room.came(person.principal, guests)
        self._porter.forget((person.principal, *guests))
        if member is not None:
            for feature in self._features:
                feature.arrived(ctx, member)

    def _upgrade(self, ctx: Context, guest: Principal, person: Person) -> None:
        """Have a guest's place, if there is one, follow the guest who became this person (FEATURES P2)."""
        member = self.room.roster.upgrade(guest, person)
        if member is None:
            return
        for feature in self._features:
            feature.upgraded(ctx, guest, member)

    def _departed(self, ctx: Context, member: Member) -> None:
        for feature in self._features:
            feature.departed(ctx, member)
