"""The room: one actor type composed of features, chosen by the kind of its create event."""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from commonroom.actors.room.feature import Feature, Room, check_text, stamp
from commonroom.actors.room.kind import FEATURES
from commonroom.actors.room.timer import SharedTimer
from commonroom.engine.actor import Actor, Context, Deadline, Wake
from commonroom.engine.address import Address
from commonroom.errors import Conflict, Forbidden, InternalError, NotFound
from commonroom.identity import Authority
from commonroom.protocol.presence import PresenceSnapshot
from commonroom.protocol.room import Joined, RoomCreate, RoomCreated, RoomInfo, RoomJoin, RoomKind, RoomView
from commonroom.protocol.roster import Person, Role
from commonroom.protocol.wire import Command, DurablePush, ServerMessage, StreamPosition

__all__ = ["RoomActor"]

DUMP_VERSION = 1


class Dump(Struct, array_like=True):
    """A room's snapshot: what it is, and each feature's part by name."""

    version: int
    info: RoomInfo
    parts: dict[str, Raw]


class RoomActor(Actor):
    """Routes commands, events and wakes to the features of its kind."""

    kind: ClassVar[str] = "room"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.room = Room(address.key)
        self.features: tuple[Feature, ...] = ()
        self._commands: dict[type, Feature] = {}
        self._observers: dict[type, list[Feature]] = {}
        self._events: dict[type, list[Feature]] = {}
        self._by_name: dict[str, Feature] = {}

    # -- state -----------------------------------------------------------------

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        if isinstance(event, RoomCreated):
            self._become(event.info)
        for feature in self._events.get(type(event), ()):
            feature.apply(event)

    def dump(self) -> bytes:
        if self.room.info is None:
            raise InternalError("a room that does not exist has no snapshot")
        parts = {feature.name: part for feature in self.features if (part := feature.dump()) is not None}
        raw = {name: Raw(msgspec.msgpack.encode(part)) for name, part in parts.items()}
        return msgspec.msgpack.encode(Dump(DUMP_VERSION, self.room.info, raw))

    def load(self, snapshot: bytes) -> None:
        dump = msgspec.msgpack.decode(snapshot, type=Dump)
        self._become(dump.info)
        for name, part in dump.parts.items():
            self._by_name[name].load(part)

    def exists(self) -> bool:
        return self.room.info is not None

    def due(self) -> Deadline | None:
        deadlines = [deadline for feature in self.features if (deadline := feature.due()) is not None]
        return min(deadlines) if deadlines else None

    def _become(self, info: RoomInfo) -> None:
        self.room.info = info
        kind: RoomKind = info.kind
        self.features = tuple(feature(self.room) for feature in FEATURES[kind])
        for feature in self.features:
            self._by_name[feature.name] = feature
            self._commands.update(dict.fromkeys(feature.commands, feature))
            for command in feature.observes:
                self._observers.setdefault(command, []).append(feature)
            for event in feature.events:
                self._events.setdefault(event, []).append(feature)

    # -- commands --------------------------------------------------------------

    def receive(self, ctx: Context, command: Command) -> None:
        if isinstance(command, RoomCreate):
            self._create(ctx, command)
            return
        self._admit(ctx.authority)
        if isinstance(command, RoomJoin):
            self._join(ctx, command)
            return
        feature = self._commands.get(type(command))
        if feature is None:
            raise NotFound(f"a {self._info.kind} room has no such command")
        feature.receive(ctx, command)
        for observer in self._observers.get(type(command), ()):
            observer.observed(ctx, command)

    def needs(self, command: Command) -> int | None:
        feature = self._commands.get(type(command))
        return None if feature is None else feature.needs(command)

    def may(self, authority: Authority, action: str) -> bool:
        return action == "room.read" and self._admits(authority)

    def view(self) -> RoomView:
        timer = self._by_name.get(SharedTimer.name)
        return RoomView(self.room.id, self._info, len(self.room.roster), timer.timer if isinstance(timer, SharedTimer) else None)

    def attach(self, ctx: Context) -> None:
        self._admit(ctx.authority)
        self._arrive(ctx)

    def detach(self, ctx: Context) -> None:
        if ctx.session is None or (member := self.room.roster.detach(ctx.session)) is None:
            return
        for feature in self.features:
            feature.departed(ctx, member)

    def wake(self, ctx: Context, wake: Wake) -> None:
        self._by_name[wake.name].wake(ctx, wake)

    def resync(self) -> ServerMessage | None:
        pushes = (feature.resync() for feature in self.features)
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
        return self._info.visibility != "private" or self._info.created_by == authority.principal

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
        title = check_text(command.title, "title")
        topic = check_text(command.topic, "topic") if command.topic else ""
        principal = ctx.authority.principal
        info = RoomInfo(command.kind, title, topic, command.language, command.visibility, ctx.now, principal)
        ctx.persist(RoomCreated(**stamp(ctx, self.room, command.nonce, principal), info=info, timer=command.timer))

    def _join(self, ctx: Context, command: RoomJoin) -> None:
        self._arrive(ctx)
        snapshot: dict[str, Any] = {"presence": PresenceSnapshot(ctx.activation, 0, 0, []), "timer": None, "messages": [], "typing": []}
        for feature in self.features:
            snapshot |= feature.snapshot(ctx)
        position = StreamPosition(0, ctx.next_offset - 1)  # the gateway writes the history and the recovery
        role = self._role(ctx.authority)
        ctx.admit(Joined(command.ref, self.room.id, position, "fresh", None, self._info, role, **snapshot))

    def _arrive(self, ctx: Context) -> None:
        if ctx.session is None:
            return
        authority = ctx.authority
        person = Person(authority.principal, authority.name, self._role(authority))
        member = self.room.roster.attach(ctx.session, person, ctx.now)
        if member is None:
            return
        for feature in self.features:
            feature.arrived(ctx, member)

    def _role(self, authority: Authority) -> Role:
        return "host" if self._info.created_by == authority.principal else "participant"
