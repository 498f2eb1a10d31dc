"""I6: each reader gets every durable event once and in order, or a skip, whatever the interleaving."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from commonroom.codes import CloseCode
from commonroom.config.settings import GatewaySettings
from commonroom.engine.actor import Audience
from commonroom.engine.address import Address
from commonroom.engine.envelope import Envelope, Publication
from commonroom.engine.gateway.batch import framed
from commonroom.engine.gateway.fanout import RoomFanout
from commonroom.engine.gateway.outbox import Outbox
from commonroom.engine.gateway.reading import EventReader
from commonroom.engine.gateway.stats import Stats
from commonroom.engine.gateway.subscription import Place, Subscription
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.engine.private import pack
from commonroom.errors import CommonroomError
from commonroom.identity import Authority, SessionId
from commonroom.protocol.codec import JSON, MSGPACK, Codec
from commonroom.protocol.room import Joined, RoomJoin
from commonroom.protocol.session import Skip
from commonroom.protocol.typing import Typing
from commonroom.protocol.wire import DurablePush, ServerMessage, StreamPosition
from commonroom.storage.journal.port import JournalEvent
from tests.gateway.rig import EPOCH_MS, RigRoom, RigRouter, Ticking, principal

ROOM = "quiet"


class FakeTransport(asyncio.Transport):
    """Takes bytes until its peer is told to be slow."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = bytearray()

    def write(self, data: Any) -> None:
        self.taken += data

    def get_write_buffer_size(self) -> int:
        return 0


class FakeReader:
    """A session without a socket; `messages` is what its client has seen."""

    def __init__(self, name: str, codec: Codec) -> None:
        self.id = name
        self.codec = codec
        self.transport = FakeTransport()
        self.outbox = Outbox(self.transport, GatewaySettings(), lambda: None)
        self.errors: list[CommonroomError] = []
        self.subscription: Subscription | None = None
        self.reading = False
        self.authority = Authority(principal(name), SessionId(name), name, EPOCH_MS)

    def send(self, message: ServerMessage) -> None:
        self.outbox.write(framed(self.codec, message))

    def refused(self, ref: int, error: CommonroomError) -> None:
        self.errors.append(error)

    def drop(self, subscription: Subscription) -> None:
        self.subscription = None

    def end(self, code: CloseCode, reason: str) -> None:
        raise AssertionError(reason)

    def may_read(self, subscription: Subscription) -> bool:
        free, self.reading = not self.reading, True
        return free

    def read_done(self) -> None:
        self.reading = False
        self.advance()

    def advance(self) -> None:
        if self.subscription is not None:
            self.subscription.advance()

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

    def __init__(self, ring: int = 3) -> None:
        self.room = RigRoom(ROOM)
        self.room.ring = ring
        self.soon: deque[Callable[[], None]] = deque()
        self.tasks = StepTasks()
        self.router = RigRouter()
        self.router.rooms[ROOM] = self.room
        self.router.held = []
        self.around = Surroundings(
            GatewaySettings(),
            Ticking(),
            self.router,
            EventReader(self.read),
            self.tasks,  # type: ignore[arg-type]
            Stats(),
            self.soon.append,
        )
        self.fanout = RoomFanout(Address("room", ROOM), self.around)
        self.readers: list[FakeReader] = []

    async def read(self, address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
        await Yield()
        found = self.room.events[after : after + limit]
        return [JournalEvent(one.offset, EPOCH_MS, None, one.payload, pack(None, one.audience)[1]) for one in found]

    def add(self, name: str, codec: Codec = MSGPACK, resume: int | None = None) -> FakeReader:
        reader = FakeReader(name, codec)
        self.readers.append(reader)
        self.join(reader, resume)
        return reader

    def join(self, reader: FakeReader, resume: int | None) -> None:
        if reader.subscription is None:
            reader.subscription = Subscription(reader, self.fanout, self.around)
        reader.subscription.join(RoomJoin(1, ROOM, None if resume is None else StreamPosition(1, resume)))

    def publish(self, publication: Publication) -> None:
        self.fanout.publish(publication)

    def turn(self) -> None:
        for _ in range(len(self.soon)):
            self.soon.popleft()()

    def answer(self) -> None:
        """The room handles the oldest command that waits."""
        if self.router.held:
            self.router.handle(self.router.held.pop(0))

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        for _ in range(1000):
            for reader in self.readers:
                reader.outbox.drain()
                reader.advance()
            if not (self.soon or self.router.held or self.tasks.running):
                return
            self.turn()
            self.answer()
            if self.tasks.running:
                self.tasks.step(0)
        raise AssertionError("it does not come to rest")


def durable_offsets(messages: Sequence[ServerMessage]) -> list[int]:
    return [one.offset for one in messages if isinstance(one, DurablePush | Skip)]


def check(stage: Stage, reader: FakeReader, room_events: Sequence[Publication]) -> None:
    """From each snapshot on: every offset once, in order; hidden ones as skips."""
    position: int | None = None
    for message in reader.messages:
        if isinstance(message, Joined):
            resumed = message.recovery == "recovered"
            assert not resumed or position is not None
            position = position if resumed else message.position.offset
        elif isinstance(message, DurablePush | Skip):
            assert position is not None, "a push before the snapshot"
            assert message.offset == position + 1
            position = message.offset
            audience = room_events[message.offset - 1].audience
            hidden = audience is not None and not audience.admits(reader.authority.principal)
            assert isinstance(message, Skip) == hidden
    if reader.subscription is not None and reader.subscription.place is Place.LIVE:
        assert position == len(room_events)


OFTEN = ["say", "turn", "answer", "step", "resume"]
VERBS = [*OFTEN, *OFTEN, "whisper", "type", "lose", "repeat", "join", "rejoin", "leave", "away", "congest", "drain"]
ACTIONS = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 7)), max_size=60)


class Play:
    """Runs one drawn schedule. What is lost on the way is found again at the next push."""

    def __init__(self, ring: int) -> None:
        self.stage = Stage(ring)

    def run(self, action: str, number: int) -> None:
        getattr(self, action)(number)

    def reader(self, number: int) -> FakeReader | None:
        readers = self.stage.readers
        return readers[number % len(readers)] if readers else None

    def say(self, number: int) -> None:
        self.stage.publish(self.stage.room.append())

    def whisper(self, number: int) -> None:
        publication = replace(self.stage.room.append(), audience=Audience(only=frozenset({principal(f"r{number}")})))
        self.stage.room.events[-1] = publication
        self.stage.publish(publication)

    def type(self, number: int) -> None:
        self.stage.publish(self.stage.room.volatile())

    def lose(self, number: int) -> None:
        self.stage.room.append()

    def repeat(self, number: int) -> None:
        if self.stage.room.events:
            self.stage.publish(self.stage.room.events[-1 - number % self.stage.room.head])

    def turn(self, number: int) -> None:
        self.stage.turn()

    def answer(self, number: int) -> None:
        self.stage.answer()

    def step(self, number: int) -> None:
        if self.stage.tasks.running:
            self.stage.tasks.step(number)

    def join(self, number: int) -> None:
        if len(self.stage.readers) < 6:
            self.stage.add(f"r{len(self.stage.readers)}", JSON if number % 2 else MSGPACK)

    def rejoin(self, number: int) -> None:
        self._rejoin(number, lambda reader: None)

    def resume(self, number: int) -> None:
        def last(reader: FakeReader) -> int | None:
            position = None
            for message in reader.messages:
                if isinstance(message, Joined) and message.recovery != "recovered":
                    position = message.position.offset
                elif isinstance(message, DurablePush | Skip):
                    position = message.offset
            return position

        self._rejoin(number, last)

    def _rejoin(self, number: int, position: Callable[[FakeReader], int | None]) -> None:
        reader = self.reader(number)
        if reader is not None and (reader.subscription is None or reader.subscription.place is Place.LIVE):
            self.stage.fanout.flush()
            self.stage.join(reader, position(reader))

    def leave(self, number: int) -> None:
        reader = self.reader(number)
        if reader is not None and reader.subscription is not None:
            reader.subscription.leave()

    def away(self, number: int) -> None:
        self.leave(number)
        for _ in range(number):
            self.stage.publish(self.stage.room.append())
        self.resume(number)

    def congest(self, number: int) -> None:
        if (reader := self.reader(number)) is not None:
            reader.outbox.congest(0.0)

    def drain(self, number: int) -> None:
        if (reader := self.reader(number)) is not None:
            reader.outbox.drain()
            reader.advance()


@given(ACTIONS, st.sampled_from([0, 3]))
@settings(max_examples=400, deadline=None)
def test_every_reader_gets_every_durable_event_once_in_order_or_a_skip(actions: list[tuple[str, int]], ring: int) -> None:
    play = Play(ring)
    for action, number in actions:
        play.run(action, number)
    play.say(0)  # reveals what was lost
    play.stage.settle()
    for reader in play.stage.readers:
        check(play.stage, reader, play.stage.room.events)
        assert reader.subscription is None or reader.subscription.place is Place.LIVE


def live(stage: Stage, *readers: FakeReader) -> None:
    stage.settle()
    for reader in readers:
        reader.transport.taken.clear()


def test_the_pushes_of_one_turn_are_one_write_of_the_same_bytes() -> None:
    stage = Stage()
    readers = [stage.add(f"r{number}") for number in range(3)]
    live(stage, *readers)
    writes: list[bytes] = []
    for reader in readers:
        reader.transport.write = writes.append  # type: ignore[assignment,method-assign]
    for _ in range(5):
        stage.publish(stage.room.volatile())
    assert writes == []
    stage.turn()
    assert len(writes) == 3
    assert writes[0] is writes[1] is writes[2]
    assert stage.around.stats.deliveries == 15


def test_a_filtered_reader_gets_nothing_of_a_hidden_volatile_push() -> None:
    stage = Stage()
    ada, ben = stage.add("ada"), stage.add("ben", JSON)
    live(stage, ada, ben)
    push = Typing(ROOM, principal("eve"), True)
    stage.publish(replace(stage.room.volatile(push), audience=Audience(excluded=frozenset({principal("ben")}))))
    stage.turn()
    assert (ada.messages, ben.messages) == ([push], [])


def test_a_gap_is_read_from_the_journal_and_volatile_pushes_do_not_wait_for_it() -> None:
    stage = Stage()
    ada = stage.add("ada")
    live(stage, ada)
    stage.room.append()
    stage.room.append()
    stage.publish(stage.room.append())
    stage.publish(stage.room.volatile())
    stage.turn()
    assert [type(message) for message in ada.messages] == [Typing]
    stage.settle()
    assert durable_offsets(ada.messages) == [1, 2, 3]
    assert stage.around.stats.pulls == 1


def test_a_newer_snapshot_reveals_a_gap_of_the_others() -> None:
    stage = Stage()
    ada = stage.add("ada")
    live(stage, ada)
    stage.room.append()
    ben = stage.add("ben")
    stage.settle()
    assert durable_offsets(ada.messages) == [1]
    assert durable_offsets(ben.messages) == []
    stage.publish(stage.room.append())
    stage.settle()
    assert (durable_offsets(ada.messages), durable_offsets(ben.messages)) == ([1, 2], [2])


def test_what_waits_behind_a_join_is_bounded() -> None:
    stage = Stage()
    slow = stage.add("slow")
    for _ in range(300):
        stage.publish(stage.room.append("x" * 4000))
    with pytest.raises(AssertionError, match="too much is waiting"):
        stage.turn()
    assert slow.subscription is not None


def test_the_check_notices_a_repeat_and_a_gap() -> None:
    """The test of the test."""
    stage = Stage()
    ada = stage.add("ada")
    stage.settle()
    stage.publish(stage.room.append())
    stage.settle()
    check(stage, ada, stage.room.events)
    ada.send(stage.room.events[0].message)
    with pytest.raises(AssertionError):
        check(stage, ada, stage.room.events)


def test_envelopes_of_a_member_carry_its_session() -> None:
    stage = Stage()
    stage.add("ada", resume=4)
    [envelope] = stage.router.seen
    assert isinstance(envelope, Envelope)
    assert (envelope.session, envelope.resume) == ("ada", (1, 4))
