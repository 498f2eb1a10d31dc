"""The room: one actor type composed of features, chosen by the kind of its create event."""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from commonroom.actors.room.feature import Feature, Room, stamp
from commonroom.actors.room.kind import PLANS, Plan, plan_of
from commonroom.actors.room.text import check_line
from commonroom.actors.room.timer import SharedTimer
from commonroom.engine.actor import Actor, Context, Deadline, Wake
from commonroom.engine.address import Address
from commonroom.errors import Conflict, Forbidden, InternalError, Invalid, NotFound
from commonroom.identity import Authority, Principal
from commonroom.protocol.presence import PresenceSnapshot
from commonroom.protocol.room import Joined, RoomCreate, RoomCreated, RoomInfo, RoomJoin, RoomLeave, RoomView
from commonroom.protocol.roster import Person, Role
from commonroom.protocol.wire import Command, DurablePush, ServerMessage, StreamPosition

__all__ = ["RoomActor"]

DUMP_VERSION = 1

NOT_FOUNDED: Plan = plan_of(())


class Dump(Struct, array_like=True):
    """A room's snapshot: what it is as of event `head`, and each feature's part by name."""

    version: int
    head: int
    info: RoomInfo
    parts: dict[str, Raw]


class RoomActor(Actor):
    """Routes commands, events and wakes to the features of its kind."""

    __slots__ = ("_features", "_plan", "address", "room")

    kind: ClassVar[str] = "room"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.room = Room(address.key)
        self._plan = NOT_FOUNDED
        self._features: tuple[Feature, ...] = ()

    # -- state -----------------------------------------------------------------

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        if isinstance(event, RoomCreated):
            self._become(event.info)
        self.room.head = event.offset
        for place in self._plan.events.get(type(event), ()):
            self._features[place].apply(event, private)

    def dump(self) -> bytes:
        room = self.room
        if room.info is None:
            raise InternalError("a room that does not exist has no snapshot")
        dumped = ((feature.name, feature.dump()) for feature in self._features)
        parts = {name: Raw(msgspec.msgpack.encode(part)) for name, part in dumped if part is not None}
        return msgspec.msgpack.encode(Dump(DUMP_VERSION, room.head, room.info, parts))

    def load(self, snapshot: bytes) -> None:
        dump = msgspec.msgpack.decode(snapshot, type=Dump)
        if dump.version > DUMP_VERSION:
            raise InternalError(f"snapshot of version {dump.version}, newest known is {DUMP_VERSION}")
        self._become(dump.info)
        self.room.head = dump.head
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

    def _become(self, info: RoomInfo) -> None:
        self.room.info = info
        self._plan = PLANS[info.kind]
        self._features = tuple(feature(self.room) for feature in self._plan.features)

    def _feature(self, command: Command) -> Feature | None:
        place = self._plan.commands.get(type(command))
        return None if place is None else self._features[place]

    # -- commands --------------------------------------------------------------

    def receive(self, ctx: Context, command: Command) -> None:
        if isinstance(command, RoomCreate):
            self._create(ctx, command)
            return
        info = self._info
        if isinstance(command, RoomLeave):
            self.detach(ctx)
            return
        self._admit(ctx.authority)
        if isinstance(command, RoomJoin):
            self._join(ctx, command)
            return
        feature = self._feature(command)
        if feature is None:
            raise NotFound(f"a {info.kind} room has no such command")
        feature.receive(ctx, command)
        for place in self._plan.observers.get(type(command), ()):
            self._features[place].observed(ctx, command)

    def needs(self, command: Command) -> int | None:
        feature = self._feature(command)
        return None if feature is None else feature.needs(command)

    def may(self, authority: Authority, action: str) -> bool:
        return action == "room.read" and self._admits(authority)

    def view(self) -> RoomView:
        timer = next((feature.timer for feature in self._features if isinstance(feature, SharedTimer)), None)
        return RoomView(self.room.id, self._info, len(self.room.roster), timer)

    def attach(self, ctx: Context) -> None:
        self.refreshed(ctx)
        for feature in self._features:
            feature.announced(ctx)

    def refreshed(self, ctx: Context) -> None:
        self._admit(ctx.authority)
        self._arrive(ctx)

    def detach(self, ctx: Context) -> None:
        if ctx.session is None or (member := self.room.roster.detach(ctx.session)) is None:
            return
        for feature in self._features:
            feature.departed(ctx, member)

    def wake(self, ctx: Context, wake: Wake) -> None:
        self._features[self._plan.names[wake.name]].wake(ctx, wake)

    def resync(self) -> ServerMessage | None:
        pushes = (feature.resync() for feature in self._features)
        return next((push for push in pushes if push is not None), None)

    # -- entering --------------------------------------------------------------

    @property
    def _info(self) -> RoomInfo:
        if self.room.info is None:
            raise NotFound(f"no room {self.room.id[:40]!r}")
        return self.room.info

    def _admits(self, authority: Authority) -> bool:
        granted = any(grant.room == self.room.id for grant in authority.grants)
        if authority.bound or granted:
            return granted
        return self._info.visibility != "private" or authority.owns(self._info.created_by)

    def _admit(self, authority: Authority) -> None:
        """Raises NotFound where the room must look as if it did not exist, Forbidden for a token of another room."""
        info = self._info
        if self._admits(authority):
            return
        if authority.bound and info.visibility != "private":
            raise Forbidden("this token admits to another room")
        raise NotFound(f"no room {self.room.id[:40]!r}")

    def _create(self, ctx: Context, command: RoomCreate) -> None:
        if self.room.info is not None:
            raise Conflict("this room exists already")
        if ctx.authority.bound:
            raise Forbidden("a token bound to a room cannot found another")
        title = check_line(command.title, "title")
        topic = check_line(command.topic, "topic") if command.topic else ""
        language = check_line(command.language, "language")  # its pattern's `$` lets a line break pass
        principal = ctx.authority.principal
        info = RoomInfo(command.kind, title, topic, language, command.visibility, ctx.now, principal)
        ctx.persist(RoomCreated(**stamp(ctx, self.room, command.nonce, principal), info=info, timer=command.timer))

    def _join(self, ctx: Context, command: RoomJoin) -> None:
        if ctx.session is None:
            raise Invalid("a join needs a session to subscribe")
        self._arrive(ctx)
        snapshot: dict[str, Any] = {"presence": PresenceSnapshot(ctx.activation, 0, 0, []), "timer": None, "messages": [], "typing": []}
        for feature in self._features:
            snapshot |= feature.snapshot(ctx)
        position = StreamPosition(0, ctx.next_offset - 1)  # the gateway writes the history and the recovery
        role = self._role(ctx.authority)
        ctx.admit(Joined(command.ref, self.room.id, position, "fresh", None, self._info, role, **snapshot))

    def _arrive(self, ctx: Context) -> None:
        if ctx.session is None:
            return
        authority, roster = ctx.authority, self.room.roster
        person = Person(authority.principal, authority.name, self._role(authority))
        guests = [Principal("guest", guest) for guest in authority.guests]
        for guest in guests:
            self._upgrade(ctx, guest, person)
        if (member := roster.attach(ctx.session, person, ctx.now)) is not None:
            for feature in self._features:
                feature.arrived(ctx, member)
        if guests:
            roster.remember(person.principal, guests)

    def _upgrade(self, ctx: Context, guest: Principal, person: Person) -> None:
        """Have a guest's place, if there is one, follow the guest who became this person (FEATURES P2)."""
        member = self.room.roster.upgrade(guest, person)
        if member is None:
            return
        for feature in self._features:
            feature.upgraded(ctx, guest, member)

    def _role(self, authority: Authority) -> Role:
        """A user who was the host as a guest is host by any token, also by one that does not say so yet."""
        host = self._info.created_by
        return "host" if authority.owns(host) or self.room.roster.now(host) == authority.principal else "participant"
