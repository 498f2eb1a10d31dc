"""A reader that does not keep up: durable pushes all and in order, volatile ones conflated or told anew."""

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from commonroom.engine.actor import Audience
from commonroom.engine.envelope import Envelope, Resync
from commonroom.engine.gateway.fanout import Place
from commonroom.engine.gateway.fanout.backlog import MAX_KEYS
from commonroom.errors import InternalError, Unavailable
from commonroom.protocol.codec import JSON, MSGPACK
from commonroom.protocol.presence import PresenceReset, PresenceUpdate
from commonroom.protocol.room import Joined, RoomReset
from commonroom.protocol.session import Skip
from commonroom.protocol.typing import Typing
from tests.gateway.rig import principal
from tests.gateway.stage import FakeReader, Stage, View, durable_offsets, truth

SOFT = 65536


def place(reader: FakeReader) -> Place:
    assert reader.subscription is not None
    return reader.subscription.place


def asked(stage: Stage) -> list[Envelope]:
    """The questions for a fresh snapshot, answered or not."""
    return stage.router.commands(Resync)


def test_a_slow_reader_leaves_the_shared_path_and_comes_back_when_it_has_drained() -> None:
    stage = Stage()
    slow, quick = stage.live("slow", "quick")
    slow.congest()
    stage.send(stage.room.append(), stage.room.typed("eve", True))
    assert (place(slow), slow.messages, len(quick.messages)) == (Place.CATCHING, [], 2)
    slow.drain()
    assert (place(slow), slow.seen()) == (Place.LIVE, quick.seen())
    stage.send(stage.room.append())
    assert durable_offsets(slow.messages) == durable_offsets(quick.messages) == [2]
    assert asked(stage) == []


def test_the_write_that_congests_is_not_repeated() -> None:
    stage = Stage()
    slow, _ = stage.live("slow", "quick")
    slow.transport.room_bytes = 0
    stage.send(stage.room.moved("eve"), stage.room.append())
    assert place(slow) is Place.CATCHING
    slow.drain()
    assert [type(one) for one in slow.messages] == [PresenceUpdate, type(stage.room.events[0].message)]
    assert (place(slow), asked(stage)) == (Place.LIVE, [])


def test_only_the_newest_push_of_a_key_is_kept() -> None:
    stage = Stage()
    slow, quick = stage.live("slow", "quick")
    slow.congest()
    for name in ("eve", "bob", "eve", "eve", "bob"):
        stage.send(stage.room.typed(name, active=principal(name) not in stage.room.typing))
    slow.drain()
    assert slow.messages == [Typing("quiet", principal("eve"), True), Typing("quiet", principal("bob"), False)]
    assert len(quick.messages) == 5
    assert (stage.around.stats.conflated, stage.around.stats.stale_marks, place(slow)) == (3, 0, Place.LIVE)


def test_a_dropped_delta_is_mended_by_one_fresh_snapshot() -> None:
    stage = Stage()
    slow, quick = stage.live("slow", "quick")
    slow.congest()
    stage.send(stage.room.moved("eve"))
    stage.send(stage.room.moved("bob"), stage.room.typed("eve", True))
    assert asked(stage) == []
    slow.drain()
    assert slow.seen() == [Typing("quiet", principal("eve"), True)]
    assert (place(slow), len(asked(stage))) == (Place.RENEWING, 1)
    stage.answer()
    assert slow.seen() == [PresenceReset("quiet", stage.room.presence())]
    assert place(slow) is Place.LIVE
    slow.congest()
    slow.drain()
    stage.settle()
    assert (slow.messages, len(asked(stage)), len(quick.messages)) == ([], 1, 3)
    assert (stage.around.stats.stale_marks, stage.around.stats.resyncs) == (1, 1)


def test_what_follows_the_question_waits_behind_the_answer_and_durable_pushes_do_not() -> None:
    """A commit may hold the answer back while later pushes overtake it."""
    stage = Stage()
    [slow] = stage.live("slow")
    slow.congest()
    stage.send(stage.room.moved("eve"))
    slow.drain()
    [question] = asked(stage)
    answer = PresenceReset("quiet", stage.room.presence())
    stage.send(stage.room.moved("bob"), stage.room.append(), stage.room.moved("eve"))
    assert durable_offsets(slow.seen()) == [1]
    assert question.origin is not None
    question.origin.replied(0, answer)
    first, second, third = slow.seen()
    assert first == answer
    assert [isinstance(one, PresenceUpdate) and one.rev for one in (second, third)] == [2, 3]
    assert place(slow) is Place.LIVE


def test_a_reader_that_congests_before_the_answer_asks_again() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    slow.congest()
    stage.send(stage.room.moved("eve"))
    slow.drain()
    slow.congest()
    stage.answer()  # to a question that counts no more
    assert slow.messages == []
    stage.send(stage.room.moved("bob"))
    slow.drain()
    assert len(asked(stage)) == 2
    stage.answer()
    assert slow.messages == [PresenceReset("quiet", stage.room.presence())]
    assert place(slow) is Place.LIVE


def test_the_answer_to_an_earlier_question_is_not_taken_for_that_to_the_last() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    for name in ("eve", "bob"):
        slow.congest()
        stage.send(stage.room.moved(name))
        slow.drain()
    first, second = (question.origin for question in asked(stage))
    assert first is not None
    assert second is not None
    first.replied(0, PresenceReset("quiet", stage.room.presence()))
    assert (slow.messages, place(slow)) == ([], Place.RENEWING)
    second.replied(0, PresenceReset("quiet", stage.room.presence()))
    assert (len(slow.messages), place(slow)) == (1, Place.LIVE)


def test_too_much_behind_a_question_makes_it_useless_and_another_is_asked() -> None:
    stage = Stage(write_high_bytes=300)
    [slow] = stage.live("slow")
    slow.congest()
    stage.send(stage.room.moved("eve"))
    slow.drain()
    for number in range(20):
        stage.send(stage.room.moved(f"r{number}"))
    stage.send(stage.room.typed("eve", True))
    assert slow.outbox.kept_bytes < 300
    stage.answer()
    assert slow.messages == [Typing("quiet", principal("eve"), True)]
    assert len(asked(stage)) == 2
    stage.answer()
    assert slow.messages[1:] == [PresenceReset("quiet", stage.room.presence())]
    assert place(slow) is Place.LIVE


def test_no_delta_overtakes_a_snapshot_that_was_kept_for_a_congested_joiner() -> None:
    stage = Stage()
    joiner = stage.add("joiner")
    joiner.congest()
    stage.send(stage.room.told_anew())
    joiner.drain()
    stage.send(stage.room.moved("eve"))
    stage.settle()
    assert View(joiner.messages) == truth(stage.room)


def test_a_new_activation_is_asked_again_behind_its_announcement() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    slow.congest()
    stage.send(stage.room.moved("eve"))
    slow.drain()
    assert stage.router.held is not None
    lost, stage.router.held = stage.router.held, []
    stage.send(stage.room.moved("bob"))
    stage.room.activation, stage.room.rev = "a1", 0
    stage.fanout.announce()
    assert [type(one.command).__name__ for one in stage.router.held] == ["Attach", "Resync"]
    stage.settle()
    stage.router.handle(lost[0])
    assert slow.messages == [PresenceReset("quiet", stage.room.presence())]
    assert place(slow) is Place.LIVE


def test_a_room_that_cannot_answer_is_not_waited_for() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    stage.router.refuse[Resync] = InternalError("a bug")
    slow.congest()
    stage.send(stage.room.moved("eve"))
    slow.drain()
    stage.send(stage.room.moved("bob"))
    stage.answer()
    assert [type(one) for one in slow.messages] == [PresenceUpdate]
    assert place(slow) is Place.LIVE


def test_a_reader_hears_of_keyed_pushes_only_what_it_may() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    hidden = Audience(excluded=frozenset({principal("slow")}))
    slow.congest()
    stage.send(stage.room.typed("eve", True))
    stage.send(replace(stage.room.typed("eve", False), audience=hidden), replace(stage.room.moved("eve"), audience=hidden))
    slow.drain()
    assert slow.messages == [Typing("quiet", principal("eve"), True)]
    assert (stage.around.stats.conflated, stage.around.stats.stale_marks) == (0, 0)


def test_keys_are_bounded_and_one_too_many_is_a_stale_mark() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    slow.congest()
    for number in range(MAX_KEYS + 10):
        stage.send(stage.room.typed(f"r{number}", True))
    assert stage.around.stats.stale_marks == 1
    slow.drain()
    assert len(slow.seen()) == MAX_KEYS
    stage.answer()
    assert [type(one) for one in slow.messages] == [PresenceReset]


def test_a_slow_joiner_is_not_closed_by_chatter() -> None:
    stage = Stage(outbox_bytes=2 * SOFT)
    joiner = stage.add("joiner")
    for number in range(8000):
        stage.send(stage.room.typed(f"r{number % 9}", active=number % 2 == 0))
        stage.send(stage.room.moved(f"r{number % 9}"))
    assert not joiner.closed
    assert joiner.outbox.owed_bytes < SOFT + 2000
    stage.settle()
    assert View(joiner.messages) == truth(stage.room)
    assert len(asked(stage)) == 1


def test_durable_pushes_are_owed_up_to_the_hard_limit() -> None:
    stage = Stage(outbox_bytes=100_000)
    slow, quick = stage.live("slow", "quick")
    slow.congest()
    most = said = 0
    while not slow.closed and said < 1000:
        stage.send(stage.room.append("x" * 1000), stage.room.typed("eve", True))
        most, said = max(most, slow.outbox.owed_bytes), said + 1
    assert slow.closed
    assert 100_000 - 1200 < most <= 100_000 + 1200
    assert durable_offsets(quick.messages) == list(range(1, said + 1))
    assert (slow.outbox.kept_bytes, slow.messages) == (0, [])


def test_a_reader_that_takes_little_at_a_time_gets_all_in_order() -> None:
    stage = Stage()
    [slow] = stage.live("slow")
    slow.transport.room_bytes = 500
    for _ in range(200):
        stage.send(stage.room.append("x" * 1000))
    assert durable_offsets(slow.messages) == [1]
    drains = 0
    while place(slow) is not Place.LIVE and drains < 200:
        slow.drain()
        drains += 1
    assert durable_offsets(slow.messages) == list(range(1, 201))
    assert drains == 8, "a chunk each, and one that finds nothing left"


# Drawn interleavings.


Gate = deque[tuple[bool, Callable[[], None]]]
"""Answers that a commit holds back; whether they answer a question for a snapshot."""


class Gated:
    """The origin of a command whose answer stays behind the gate."""

    def __init__(self, envelope: Envelope, gate: Gate) -> None:
        self._origin = envelope.origin
        self._question = isinstance(envelope.command, Resync)
        self._gate = gate

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self._gate.append((self._question, lambda: getattr(self._origin, name)(*arguments)))


OFTEN = ["say", "move", "turn", "answer", "open", "congest", "drain", "miss"]
VERBS = [*OFTEN, *OFTEN, "type", "tell_anew", "narrow", "join", "rejoin", "restart", "wait"]
ACTIONS = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 7)), max_size=80)


class Play:
    """Runs one drawn schedule: readers congest and drain, answers are late, the room restarts."""

    def __init__(self, soft_bytes: int) -> None:
        self.stage = Stage(ring=512, write_high_bytes=soft_bytes, fanout_writes_per_s=40)
        self.gate: Gate = deque()
        self.room = self.stage.room

    def reader(self, number: int) -> FakeReader:
        if not self.stage.readers:
            self.stage.add("r0")
        return self.stage.readers[number % len(self.stage.readers)]

    def say(self, number: int) -> None:
        self.stage.publish(self.room.append())

    def move(self, number: int) -> None:
        self.stage.publish(self.room.moved(f"p{number}"))

    def miss(self, number: int) -> None:
        """A reader is away for one delta."""
        self.congest(number)
        self.move(number)
        self.turn(0)
        self.drain(number)

    def type(self, number: int) -> None:
        self.stage.publish(self.room.typed(f"p{number % 3}", active=number > 3))

    def tell_anew(self, number: int) -> None:
        self.stage.publish(self.room.told_anew())

    def turn(self, number: int) -> None:
        self.stage.turn()

    def wait(self, number: int) -> None:
        if self.stage.later:
            self.stage.wait()

    def answer(self, number: int) -> None:
        """The room handles a command; what it answers stays behind the gate."""
        if self.stage.router.held:
            envelope = self.stage.router.held.pop(0)
            envelope.origin = None if envelope.origin is None else Gated(envelope, self.gate)
            self.stage.router.handle(envelope)

    def open(self, number: int) -> None:
        if self.gate:
            self.gate.popleft()[1]()

    def congest(self, number: int) -> None:
        self.reader(number).congest()

    def narrow(self, number: int) -> None:
        self.reader(number).transport.room_bytes = number * 40 or None

    def drain(self, number: int) -> None:
        self.reader(number).drain()

    def join(self, number: int) -> None:
        if len(self.stage.readers) < 4:
            self.stage.add(f"r{len(self.stage.readers)}", JSON if number % 2 else MSGPACK)

    def rejoin(self, number: int) -> None:
        if place(self.reader(number)) is not Place.JOINING:
            self.stage.join(self.reader(number), None)

    def hide(self, number: int) -> None:
        """Some of these are hidden from a reader from now on, perhaps nobody."""
        names = [name for bit, name in enumerate(("p1", "p2", "author")) if number & 1 << bit]
        self.reader(len(self.stage.soon) + number).hide(*names)

    def restart(self, number: int) -> None:
        """A new activation: questions and their answers are lost. Joins are through before: that story is test_fanout's."""
        held = self.stage.router.held
        assert held is not None
        held[:] = [one for one in held if not isinstance(one.command, Resync)]
        while held:
            self.answer(0)
        for question, leave in tuple(self.gate):
            if not question:
                leave()
        self.gate.clear()
        held.clear()
        self.room.activation, self.room.rev = f"a{int(self.room.activation[1:]) + 1}", 0
        self.stage.fanout.announce()
        self.stage.publish(self.room.told_anew())

    def finish(self) -> None:
        for _ in range(2000):
            self.answer(0)
            self.open(0)
            for reader in self.stage.readers:
                reader.transport.room_bytes = None
                reader.drain()
            self.stage.turn()
            self.wait(0)
            while self.stage.tasks.running:
                self.stage.tasks.step(0)
            if not (self.gate or self.stage.router.held or self.stage.soon or self.stage.later):
                return
        raise AssertionError("it does not come to rest")


@given(ACTIONS, st.sampled_from([1, 100, SOFT]))
@settings(max_examples=600, deadline=None)
def test_whatever_the_interleaving_a_reader_ends_with_the_truth(actions: list[tuple[str, int]], soft_bytes: int) -> None:
    play = Play(soft_bytes)
    for verb, number in actions:
        getattr(play, verb)(number)
    play.finish()
    for reader in play.stage.readers:
        assert place(reader) is Place.LIVE
        assert reader.outbox.kept_bytes == 0
        assert View(reader.messages) == truth(play.room)


@given(st.lists(st.tuples(st.sampled_from([*VERBS, "hide", "hide"]), st.integers(0, 7)), max_size=80), st.sampled_from([1, 100, SOFT]))
@settings(max_examples=400, deadline=None)
def test_A8_whatever_the_interleaving_a_reader_ends_with_the_truth_but_for_those_who_are_hidden(
    actions: list[tuple[str, int]], soft_bytes: int
) -> None:
    play = Play(soft_bytes)
    for verb, number in actions:
        getattr(play, verb)(number)
    play.finish()
    for reader in play.stage.readers:
        assert reader.hidden is not None
        assert place(reader) is (Place.CATCHING if reader.hidden else Place.LIVE)
        assert reader.outbox.kept_bytes == 0
        view = View(reader.messages)
        assert (view.here, view.position) == (set(play.room.here) - reader.hidden, play.room.head)


def test_the_check_notices_a_lost_delta() -> None:
    """The test of the test."""
    stage = Stage()
    reader = stage.add("ada")
    stage.settle()
    stage.room.moved("eve")
    assert View(reader.messages) != truth(stage.room)
    stage.send(stage.room.moved("bob"))
    with pytest.raises(AssertionError, match="a delta is missing"):
        View(reader.messages)


def test_A8_a_veiled_reader_whose_room_gives_no_snapshot_joins_again_instead_of_seeing_on() -> None:
    stage = Stage()
    ada, bob = stage.live("ada", "bob")
    stage.router.refuse[Resync] = Unavailable("the room is elsewhere")
    ada.hide("eve")
    stage.settle()
    assert [type(message) for message in ada.seen()] == [RoomReset]
    assert place(bob) is Place.LIVE


def test_A8_a_veiled_reader_that_is_slow_gets_the_newest_of_what_replaces_itself() -> None:
    stage = Stage()
    ada, _ = stage.live("ada", "bob")
    ada.hide("eve")
    stage.settle()
    ada.seen()
    ada.congest()
    stage.send(*(stage.room.typed("bob", active) for active in (True, False, True, False)), stage.room.append())
    assert ada.seen() == []
    ada.drain()
    assert [type(message).__name__ for message in ada.seen()] == ["MessageCreate", "Typing"]


def test_A8_a_change_that_overtakes_the_snapshot_of_a_veil_follows_it() -> None:
    play = Play(SOFT)
    ada = play.reader(0)
    play.finish()
    ada.seen()
    ada.hide("eve")
    play.answer(0)
    play.move(1)
    play.turn(0)
    assert ada.seen() == []
    play.open(0)
    assert [type(message) for message in ada.seen()] == [PresenceReset, PresenceUpdate]
    play.stage.join(ada, None)
    play.answer(0)
    play.move(2)
    play.turn(0)
    assert ada.seen() == []
    play.open(0)
    assert [type(message) for message in ada.seen()] == [Joined, PresenceUpdate]


def test_A8_a_volatile_push_does_not_overtake_one_that_waits_behind_the_journal() -> None:
    stage = Stage(ring=0)
    (ada,) = stage.live("ada")
    ada.hide("eve")
    stage.settle()
    ada.seen()
    for _ in range(2):
        stage.room.append()
    stage.join(ada, 0)
    stage.answer()
    stage.send(stage.room.append(), stage.room.typed("bob", True))
    stage.send(stage.room.typed("bob", False))
    stage.settle()
    shown = [message.active for message in ada.seen() if isinstance(message, Typing)]
    assert shown == [True, False]


def test_A8_what_was_written_before_a_veil_is_not_written_again() -> None:
    stage = Stage()
    (ada,) = stage.live("ada")
    stage.send(*(stage.room.append() for _ in range(3)))
    assert durable_offsets(ada.seen()) == [1, 2, 3]
    stage.publish(stage.room.append())
    ada.hide("author")
    stage.settle()
    assert [type(message) for message in ada.seen()] == [Skip, PresenceReset]
