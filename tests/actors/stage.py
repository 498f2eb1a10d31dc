"""Rooms on a real host and the kit's journal, in virtual time, driven from plain functions.

Each verb runs the loop until its answer is there. Devices are what a gateway would be:
they follow a room from the admission on and are announced to a new activation.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import Struct

from commonroom.actors import KINDS
from commonroom.actors.room.actor import RoomActor
from commonroom.config.settings import EngineSettings
from commonroom.engine.activation import Activation
from commonroom.engine.address import Address, slot_of
from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Publication, Query, Resync
from commonroom.engine.host import ActorHost
from commonroom.engine.testing.journal import SimulatedJournal
from commonroom.engine.testing.loop import VirtualClock, VirtualLoop
from commonroom.errors import CommonroomError
from commonroom.identity import Authority, Principal, RoomGrant, SessionId
from commonroom.ids import new_id, seeded
from commonroom.protocol.chat import MessageEdit, MessageRemove, MessageSend
from commonroom.protocol.codec import decode_event
from commonroom.protocol.room import Joined, RoomCreate, RoomJoin
from commonroom.protocol.session import Reply
from commonroom.protocol.timer import TimerCommand, TimerSettings
from commonroom.protocol.typing import TypingStart, TypingStop
from commonroom.protocol.wire import Command, DurablePush, ServerMessage

P = TypeVar("P", bound=ServerMessage)

__all__ = ["Device", "Stage"]

ANSWER_S = 30.0


class Device:
    """One session of a person; `pushes` is what it was sent since it was last cleared."""

    def __init__(self, stage: "Stage", authority: Authority, session: str | None) -> None:
        self.stage = stage
        self.authority = authority
        self.session = session
        self.following: set[Address] = set()
        self.pushes: list[ServerMessage] = []
        self.answers: dict[int, Struct | CommonroomError] = {}
        self.ref = 0
        self.nonces = 0

    @property
    def principal(self) -> Principal:
        return self.authority.principal

    # As a gateway.

    def replied(self, ref: int, message: ServerMessage) -> None:
        if ref:
            self.answers[ref] = message
        else:
            self.pushes.append(message)

    def refused(self, ref: int, error: CommonroomError) -> None:
        self.answers[ref] = error

    def admitted(self, ref: int, admission: Admission) -> None:
        assert isinstance(admission.snapshot, Joined)
        self.following.add(Address("room", admission.snapshot.room))
        self.answers[ref] = admission.snapshot

    # As a person.

    def join(self, room: str) -> Joined:
        joined = self.ask(RoomJoin, room)
        assert isinstance(joined, Joined)
        return joined

    def leave(self, room: str) -> None:
        address = Address("room", room)
        self.following.discard(address)
        self.signal(room, Detach())

    def create(self, room: str, **fields: Any) -> Reply:
        return self._reply(self.ask(RoomCreate, room, **{"kind": "study", "title": "Room", "nonce": self.nonce(), **fields}))

    def send(self, room: str, text: str) -> int:
        return self._reply(self.ask(MessageSend, room, text=text, nonce=self.nonce())).offset

    def edit(self, room: str, message: int, text: str) -> int:
        return self._reply(self.ask(MessageEdit, room, message=message, text=text, nonce=self.nonce())).offset

    def remove(self, room: str, message: int) -> int:
        return self._reply(self.ask(MessageRemove, room, message=message, nonce=self.nonce())).offset

    def timer(self, room: str, command: type[TimerCommand], version: int | None = None) -> int:
        return self._reply(self.ask(command, room, version=version, nonce=self.nonce())).offset

    def typing(self, room: str, *, active: bool = True) -> None:
        self.ask(TypingStart if active else TypingStop, room)

    def ask(self, command: type[Command], room: str, **fields: Any) -> Struct:
        """The answer to a command.

        Raises:
            CommonroomError: the refusal.
        """
        self.ref += 1
        ref = self.ref
        self.stage.deliver(self, command(ref=ref, room=room, **fields), room)  # type: ignore[call-arg]
        assert self.stage.loop.run_until(lambda: ref in self.answers, ANSWER_S), f"no answer to {command.__name__}"
        answer = self.answers.pop(ref)
        if isinstance(answer, CommonroomError):
            raise answer
        return answer

    def signal(self, room: str, signal: Detach | Resync | Query) -> None:
        self.stage.deliver(self, signal, room)
        self.stage.advance(0.01)

    def nonce(self) -> str:
        self.nonces += 1
        return f"{self.session or 'http'}-{self.nonces:06d}"

    def took(self, kind: type[P]) -> list[P]:
        """Pushes of this type; takes them out."""
        found = [push for push in self.pushes if isinstance(push, kind)]
        self.pushes = [push for push in self.pushes if not isinstance(push, kind)]
        return found

    def _reply(self, answer: Struct) -> Reply:
        assert isinstance(answer, Reply)
        return answer


class Stage:
    """The node, and all devices. `restart` is a killed process: memory is gone, the journal stays."""

    def __init__(self, seed: int = 0, **settings: Any) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.random = seeded(seed)
        self.journal = SimulatedJournal(self.random)
        self.settings = EngineSettings(**{"idle_s": 86_400.0, **settings})  # by default an activation ends with its process only
        self.devices: list[Device] = []
        self.rooms = 0
        self._open()

    # -- devices and rooms -------------------------------------------------------

    def person(self, name: str, *, grants: Iterable[RoomGrant] = (), bound: bool = False) -> Device:
        """Somebody new, with one device."""
        principal = Principal("guest", new_id(self.clock.now(), self.random.getrandbits(74)))
        authority = Authority(principal, SessionId(principal.actor_id), name, 2**50, grants=tuple(grants), bound=bound)
        return self.device(authority)

    def device(self, authority: Authority) -> Device:
        device = Device(self, authority, f"session-{len(self.devices)}")
        self.devices.append(device)
        return device

    def http(self, device: Device) -> Device:
        """The same person without a session."""
        return Device(self, device.authority, None)

    def room_id(self) -> str:
        self.rooms += 1
        return new_id(self.clock.now(), self.rooms)

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
        for device in self.devices:
            device.following.clear()
        self.advance(down_s)
        self._open()

    def fail(self, room: str) -> None:
        """The activation loses its slot for a moment, and ends with the next commit."""
        self.journal.claim(slot_of(f"room/{room}"))

    def mend(self, room: str) -> None:
        self.journal.reclaim(slot_of(f"room/{room}"))

    def close(self) -> None:
        self.loop.run_until_complete(self.host.crash())
        self.loop.close()

    # -- between host and devices ----------------------------------------------------

    def deliver(self, device: Device, command: Command | Detach | Resync | Query, room: str) -> None:
        self.loop.call_soon(self.host.deliver, Envelope(Address("room", room), command, device.authority, device, device.session))

    def publish(self, address: Address, publication: Publication) -> None:
        for device in self._followers(address):
            device.pushes.append(publication.message)

    def activated(self, address: Address, activation: str) -> None:
        for device in self._followers(address):
            self.host.deliver(Envelope(address, Attach(), device.authority, device, device.session))

    def count(self, address: Address) -> int:
        return len(self._followers(address))

    def _followers(self, address: Address) -> list[Device]:
        return [device for device in self.devices if address in device.following]

    def _open(self) -> None:
        self.host = ActorHost(self.settings, self.clock, self.journal, self, KINDS, self.random, self._facts)
        self.loop.run_until_complete(self.host.open())

    async def _facts(self, address: Address, message: int) -> tuple[DurablePush, ...]:
        events = [decode_event(event.payload) for event in await self.journal.read(str(address), 0, 10**6)]
        return tuple(event for event in events if message in (event.offset, getattr(event, "message", None)))
