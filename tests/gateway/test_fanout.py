"""I6: each reader gets every durable event once and in order, or a skip, whatever the interleaving."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from commonroom.engine.actor import Audience
from commonroom.engine.envelope import Envelope, Publication
from commonroom.engine.gateway.fanout import Place
from commonroom.protocol.codec import JSON, MSGPACK
from commonroom.protocol.room import Joined
from commonroom.protocol.session import Skip
from commonroom.protocol.typing import Typing
from commonroom.protocol.wire import DurablePush
from tests.gateway.rig import principal
from tests.gateway.stage import ROOM, FakeReader, Stage, durable_offsets


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

    def __init__(self, ring: int, *, veiled: bool = False) -> None:
        self.stage = Stage(ring)
        self.veiled = veiled
        self.typed = 0

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
        self.typed += 1
        self.stage.publish(self.stage.room.typed(f"{self.typed}", True))

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
            reader = self.stage.add(f"r{len(self.stage.readers)}", JSON if number % 2 else MSGPACK)
            reader.hidden = frozenset({principal("eve")}) if self.veiled else frozenset()

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
        at_rest = Place.CATCHING if self.veiled else Place.LIVE
        if reader is not None and (reader.subscription is None or reader.subscription.place is at_rest):
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
            reader.congest()

    def drain(self, number: int) -> None:
        if (reader := self.reader(number)) is not None:
            reader.drain()


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


@given(ACTIONS, st.sampled_from([0, 3]))
@settings(max_examples=400, deadline=None)
def test_A8_so_does_a_reader_from_whom_somebody_is_hidden_and_volatile_pushes_keep_their_order(
    actions: list[tuple[str, int]], ring: int
) -> None:
    play = Play(ring, veiled=True)
    for action, number in actions:
        play.run(action, number)
    play.say(0)
    play.stage.settle()
    for reader in play.stage.readers:
        check(play.stage, reader, play.stage.room.events)
        assert reader.subscription is None or reader.subscription.position == play.stage.room.head
        typed = [int(message.person.actor_id) for message in reader.messages if isinstance(message, Typing)]
        assert typed == sorted(set(typed))


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
    stage.turn()
    assert slow.closed
    assert slow.outbox.kept_bytes == 0


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
