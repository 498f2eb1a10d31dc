"""Rooms in the kit's world, with people who have several devices and speak the product's verbs."""

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec.structs import replace

from commonroom.actors import KINDS
from commonroom.actors.room.actor import RoomActor
from commonroom.config.settings import EngineSettings
from commonroom.engine.activation import Activation
from commonroom.engine.actor import Facts
from commonroom.engine.address import Address, slot_of
from commonroom.engine.envelope import Attach, Detach, Envelope, Query, Resync
from commonroom.engine.private import unpack
from commonroom.engine.testing import Client, World
from commonroom.identity import Authority, Principal, RoomGrant, SessionId
from commonroom.ids import new_id
from commonroom.protocol.cast import CastSend
from commonroom.protocol.chat import MessageEdit, MessageRemove, MessageSend
from commonroom.protocol.codec import decode_event
from commonroom.protocol.room import Joined, RoomCreate
from commonroom.protocol.session import Reply
from commonroom.protocol.timer import TimerCommand, TimerSettings
from commonroom.protocol.typing import TypingStart, TypingStop
from commonroom.protocol.wire import Command, DurablePush, ServerMessage
from commonroom.storage.summary import SummaryStore

__all__ = ["Device", "Stage"]

P = TypeVar("P", bound=ServerMessage)


class Device(Client):
    """One session of a person; over HTTP, `session` is None."""

    def __init__(self, stage: "Stage", authority: Authority, session: str | None) -> None:
        super().__init__(stage, session or "http")
        self.authority = authority
        self.session = session
        self._nonces = 0

    @property
    def principal(self) -> Principal:
        return self.authority.principal

    @property
    def last_nonce(self) -> str:
        return f"{self.name}-{self._nonces:06d}"

    def nonce(self) -> str:
        self._nonces += 1
        return self.last_nonce

    def join(self, room: str) -> Joined:
        joined = super().join(room)
        assert isinstance(joined, Joined)
        return joined

    def create(self, room: str, **fields: Any) -> Reply:
        return self._changed(RoomCreate, room, **{"kind": "study", "title": "Room", **fields})

    def say(self, room: str, text: str) -> int:
        return self._changed(MessageSend, room, text=text).offset

    def edit(self, room: str, message: int, text: str) -> int:
        return self._changed(MessageEdit, room, message=message, text=text).offset

    def remove(self, room: str, message: int) -> int:
        return self._changed(MessageRemove, room, message=message).offset

    def timer(self, room: str, command: type[TimerCommand], version: int | None = None, **fields: Any) -> int:
        return self._changed(command, room, version=version, **fields).offset

    def do(self, command: type[Command], room: str, **fields: Any) -> Reply:
        """Any durable command; its reply."""
        return self._changed(command, room, **fields)

    def typing(self, room: str, *, active: bool = True) -> None:
        self.ask(TypingStart if active else TypingStop, room)

    def cast(self, room: str, key: str, data: str) -> None:
        self.ask(CastSend, room, key=key, data=data)

    def refresh(self, authority: Authority) -> None:
        """Speak with another authority from now on, and tell the rooms followed, as a session does."""
        self.authority = authority
        for address in sorted(self.following):
            self._deliver(address, Attach(refreshed=True))
        self._world.advance(0.01)

    def signal(self, room: str, signal: Resync | Query) -> None:
        self._deliver(Address("room", room), signal)
        self._world.advance(0.01)

    def took(self, kind: type[P]) -> list[P]:
        """Pushes of this type; takes them out."""
        found = [push for push in self.pushes if isinstance(push, kind)]
        self.pushes = [push for push in self.pushes if not isinstance(push, kind)]
        return found

    def _changed(self, command: type[Command], room: str, **fields: Any) -> Reply:
        reply = self.ask(command, room, **{"nonce": self.nonce(), **fields})
        assert isinstance(reply, Reply)
        return reply

    def _deliver(self, address: Address, command: Command | Attach | Detach | Resync | Query) -> None:
        if self.session is None or isinstance(command, Resync | Query):
            self._world.deliver(Envelope(address, command, self.authority, self, self.session))
        else:
            super()._deliver(address, command)


class Stage(World):
    """The world, with rooms. By default an activation ends with its process only."""

    def __init__(self, seed: int = 0, *, limits_scale: float = 0.0, summaries: SummaryStore | None = None, **settings: Any) -> None:
        engine = EngineSettings(**{"idle_s": 86_400.0, **settings})
        super().__init__(KINDS, seed, settings=engine, load_facts=self._facts, limits_scale=limits_scale, summaries=summaries)
        self._rooms = 0

    # -- devices and rooms -------------------------------------------------------

    def person(self, name: str, *, grants: Iterable[RoomGrant] = (), bound: bool = False) -> Device:
        """Somebody new, with one device."""
        principal = Principal("guest", new_id(self.now(), self.random.getrandbits(74)))
        authority = Authority(principal, SessionId(principal.actor_id), name, 2**50, grants=tuple(grants), bound=bound)
        return self.device(authority)

    def device(self, authority: Authority) -> Device:
        device = Device(self, authority, f"session-{len(self.clients)}")
        self.clients.append(device)
        return device

    def user(self, guest: Device, name: str = "", *others: Device) -> Authority:
        """What a guest speaks with after signing in; `others` are guests that this user was before."""
        ident = new_id(self.now(), self.random.getrandbits(74))
        guests = tuple(one.principal.actor_id for one in (guest, *others))
        return replace(guest.authority, principal=Principal("user", ident), name=name or guest.authority.name, guests=guests)

    def http(self, device: Device) -> Device:
        """The same person without a session."""
        return Device(self, device.authority, None)

    def room_id(self) -> str:
        self._rooms += 1
        return new_id(self.now(), self._rooms)

    def room(self, host: Device, timer: TimerSettings | None = None, **fields: Any) -> str:
        room = self.room_id()
        host.create(room, **fields, **({} if timer is None else {"timer": timer}))
        return room

    # -- looking -----------------------------------------------------------------

    def now(self) -> int:
        return self.clock.now()

    def activation(self, room: str) -> Activation | None:
        return self.host._live.get(Address("room", room))

    def actor(self, room: str) -> RoomActor:
        activation = self.activation(room)
        assert activation is not None
        assert isinstance(activation.actor, RoomActor)
        return activation.actor

    def events(self, room: str) -> list[DurablePush]:
        return [decode_event(event.payload) for event in self.journal.streams[f"room/{room}"].events]

    # -- time and faults -----------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let so much time pass; what is due at its very end has happened."""
        reached: list[None] = []
        self.loop.call_later(seconds, reached.append, None)
        self.loop.run_until(lambda: bool(reached), seconds + 1)

    def restart(self, down_s: float = 0.0) -> None:
        """Kill the process; after `down_s` another one starts. Everybody's connection is gone."""
        self.loop.run_until_complete(self.host.crash())
        self.journal.crash()
        self.advance(down_s)
        super().restart()

    def fail(self, room: str) -> None:
        """The room's slot is taken: its activation ends with the next commit."""
        self.journal.claim(slot_of(f"room/{room}"))

    def mend(self, room: str) -> None:
        self.journal.reclaim(slot_of(f"room/{room}"))

    async def _facts(self, address: Address, message: int) -> Facts:
        stored = await self.journal.read(str(address), 0, 10**6)
        events = [decode_event(event.payload) for event in stored]
        aside = frozenset(event.offset for event in stored if unpack(event.private).audience is not None)
        return Facts(tuple(event for event in events if message in (event.offset, getattr(event, "message", None))), aside)
