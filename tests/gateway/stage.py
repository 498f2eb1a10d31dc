"""One fan-out without sockets, on a schedule drawn by the test: each step happens when it is told to."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from commonroom.config.settings import GatewaySettings
from commonroom.engine.address import Address
from commonroom.engine.envelope import Publication
from commonroom.engine.gateway.fanout import RoomFanout, Subscription, framed
from commonroom.engine.gateway.outbox import Outbox
from commonroom.engine.gateway.reading import EventReader
from commonroom.engine.gateway.stats import Stats
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.engine.private import pack
from commonroom.errors import CommonroomError
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.codec import MSGPACK, Codec
from commonroom.protocol.presence import PresenceReset, PresenceUpdate
from commonroom.protocol.room import Joined, RoomJoin
from commonroom.protocol.session import Skip
from commonroom.protocol.typing import Typing
from commonroom.protocol.wire import DurablePush, ServerMessage, StreamPosition
from commonroom.storage.journal.port import JournalEvent
from tests.gateway.rig import EPOCH_MS, RigRoom, RigRouter, Ticking, principal

__all__ = ["ROOM", "FakeReader", "Stage", "StepTasks", "View", "durable_offsets", "truth"]

ROOM = "quiet"


class FakeTransport(asyncio.Transport):
    """Remembers what is written; what `room_bytes` does not hold congests, within the write, as uvloop does."""

    def __init__(self, congest: Callable[[], None]) -> None:
        super().__init__()
        self.taken = bytearray()
        self.writes = 0
        self.room_bytes: int | None = None
        self.buffered = 0
        self.congest = congest

    def write(self, data: Any) -> None:
        self.taken += data
        self.writes += 1
        if self.room_bytes is not None:
            before, self.buffered = self.buffered, self.buffered + len(data)
            if before <= self.room_bytes < self.buffered:
                self.congest()

    def get_write_buffer_size(self) -> int:
        return self.buffered


class FakeReader:
    """A session without a socket; `messages` is what its client has seen."""

    def __init__(self, name: str, codec: Codec, settings: GatewaySettings) -> None:
        self.id = name
        self.codec = codec
        self.transport = FakeTransport(self.congest)
        self.outbox = Outbox(self.transport, -1, settings, self.overflow)
        self.errors: list[CommonroomError] = []
        self.subscription: Subscription | None = None
        self.reading = False
        self.closed = False
        self.authority = Authority(principal(name), SessionId(name), name, EPOCH_MS)
        self.hidden: frozenset[Principal] | None = frozenset()
        self.asked_hidden = 0

    def want_hidden(self) -> None:
        self.asked_hidden += 1

    def hide(self, *names: str) -> None:
        """From now on these people are hidden from it."""
        self.hidden = frozenset(principal(name) for name in names)
        if self.subscription is not None:
            self.subscription.hidden_changed()

    def send(self, message: ServerMessage) -> None:
        self.outbox.write(framed(self.codec, message))

    def refused(self, ref: int, error: CommonroomError) -> None:
        self.errors.append(error)

    def drop(self, subscription: Subscription) -> None:
        self.subscription = None

    def moved(self) -> None:
        pass

    def may_read(self, subscription: Subscription) -> bool:
        free, self.reading = not self.reading, True
        return free

    def read_done(self) -> None:
        self.reading = False
        self.advance()

    def advance(self) -> None:
        if self.subscription is not None:
            self.subscription.advance()

    # What a connection does.

    def congest(self) -> None:
        self.outbox.congest(0.0)
        if self.subscription is not None:
            self.subscription.congested()

    def drain(self) -> None:
        self.transport.buffered = 0
        self.outbox.drain()
        self.advance()

    def overflow(self) -> None:
        self.closed = True
        self.outbox.close()
        if self.subscription is not None:
            self.subscription.detach()

    @property
    def messages(self) -> list[ServerMessage]:
        found, data = [], bytes(self.transport.taken)
        while data:
            size, head = data[1], 2
            if size == 126:
                size, head = int.from_bytes(data[2:4], "big"), 4
            found.append(self.codec.decode_server(data[head : head + size]))
            data = data[head + size :]
        return found

    def seen(self) -> list[ServerMessage]:
        """What came since the last look."""
        messages = self.messages
        self.transport.taken.clear()
        return messages


class StepTasks:
    """Coroutines run a step when the schedule says so."""

    def __init__(self) -> None:
        self.running: list[Coroutine[Any, Any, Any]] = []

    def start(self, name: str, body: Coroutine[Any, Any, Any]) -> None:
        self.running.append(body)

    def step(self, number: int) -> None:
        body = self.running[number % len(self.running)]
        try:
            body.send(None)
        except StopIteration:
            self.running.remove(body)


class Yield:
    """Suspends a coroutine once."""

    def __await__(self) -> Any:
        yield


class Stage:
    """One fan-out, its room, and a schedule that decides what happens next."""

    def __init__(self, ring: int = 3, **settings: Any) -> None:
        self.room = RigRoom(ROOM)
        self.room.ring = ring
        self.soon: deque[Callable[[], None]] = deque()
        self.later: deque[tuple[float, Callable[[], None]]] = deque()
        self.time = Ticking()
        self.tasks = StepTasks()
        self.router = RigRouter()
        self.router.rooms[ROOM] = self.room
        self.router.held = []
        self.around = Surroundings(
            settings=GatewaySettings(**settings),
            clock=self.time,
            router=self.router,
            reader=EventReader(self.read),
            tasks=self.tasks,  # type: ignore[arg-type]
            stats=Stats(),
            denied=lambda *_: None,
            visited=lambda *_: None,
            soon=self.soon.append,
            later=lambda delay_s, callback: self.later.append((delay_s, callback)),
            monotonic=self.time.monotonic,
        )
        self.fanout = RoomFanout(Address("room", ROOM), self.around)
        self.readers: list[FakeReader] = []

    async def read(self, address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
        await Yield()
        found = self.room.events[after : after + limit]
        return [JournalEvent(one.offset, EPOCH_MS, None, one.payload, pack(None, one.audience)[1]) for one in found]

    def add(self, name: str, codec: Codec = MSGPACK, resume: int | None = None) -> FakeReader:
        reader = FakeReader(name, codec, self.around.settings)
        self.readers.append(reader)
        self.join(reader, resume)
        return reader

    def live(self, *names: str) -> list[FakeReader]:
        """Readers who have joined and read everything."""
        readers = [self.add(name) for name in names]
        self.settle()
        for reader in readers:
            reader.transport.taken.clear()
        return readers

    def join(self, reader: FakeReader, resume: int | None) -> None:
        if reader.subscription is None:
            reader.subscription = Subscription(reader, self.fanout, self.around)
        reader.subscription.join(RoomJoin(1, ROOM, None if resume is None else StreamPosition(1, resume)))

    def publish(self, publication: Publication) -> None:
        self.fanout.publish(publication)

    def send(self, *publications: Publication) -> None:
        """Publish them, and let the loop turn."""
        for publication in publications:
            self.publish(publication)
        self.turn()

    def turn(self) -> None:
        for _ in range(len(self.soon)):
            self.soon.popleft()()

    def wait(self) -> None:
        """Let the time pass for which the oldest delayed call was put off."""
        delay_s, callback = self.later.popleft()
        self.time.elapsed_s += delay_s
        callback()

    def answer(self) -> None:
        """The room handles the oldest command that waits."""
        if self.router.held:
            self.router.handle(self.router.held.pop(0))

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        for _ in range(1000):
            for reader in self.readers:
                reader.drain()
            if not (self.soon or self.later or self.router.held or self.tasks.running):
                return
            self.turn()
            if self.later:
                self.wait()
            self.answer()
            if self.tasks.running:
                self.tasks.step(0)
        raise AssertionError("it does not come to rest")


def durable_offsets(messages: Sequence[ServerMessage]) -> list[int]:
    return [one.offset for one in messages if isinstance(one, DurablePush | Skip)]


class View:
    """What a client knows at the end, by the rules of docs/PROTOCOL.md. It may never have to join again by itself."""

    def __init__(self, messages: Iterable[ServerMessage]) -> None:
        self.position = 0
        self.activation, self.rev = "", 0
        self.here: set[Principal] = set()
        self.typing: set[Principal] = set()
        for message in messages:
            self._see(message)

    def __eq__(self, other: object) -> bool:
        return vars(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(vars(self))

    def _see(self, message: ServerMessage) -> None:
        match message:
            case Joined():
                self.position, self.typing = message.position.offset, set(message.typing)
                self._reset(PresenceReset(ROOM, message.presence))
            case DurablePush() | Skip():
                assert message.offset == self.position + 1
                self.position = message.offset
            case PresenceReset():
                self._reset(message)
            case PresenceUpdate():
                self._update(message)
            case Typing():
                (self.typing.add if message.active else self.typing.discard)(message.person)

    def _reset(self, reset: PresenceReset) -> None:
        self.activation, self.rev = reset.presence.activation, reset.presence.rev
        self.here = {person.principal for person in reset.presence.people}

    def _update(self, update: PresenceUpdate) -> None:
        assert update.activation == self.activation, "a delta of another activation"
        if update.rev <= self.rev:
            return
        assert update.rev == self.rev + 1, f"a delta is missing before {update.rev}"
        self.rev = update.rev
        self.here |= {person.principal for person in update.joined}
        self.here -= set(update.left)


def truth(room: RigRoom) -> dict[str, object]:
    """What everybody in it should know."""
    return {"position": room.head, "activation": room.activation, "rev": room.rev, "here": set(room.here), "typing": room.typing}
