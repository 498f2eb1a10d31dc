"""Links: a loss is noticed, both ends begin anew, and nothing old or repeated is heard."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from commonroom.engine.cluster.link import MAX_GONE, MAX_PARCEL_BYTES, RETRY_S, Links, LinkStats
from commonroom.engine.cluster.port import TransportEvents
from commonroom.engine.cluster.wire import Done, Message, Parcel, Unfollow, decode_parcel, encode


class Turns:
    """The loop's `call_soon` and `call_later`, by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._timers: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def time(self) -> float:
        return self.now_s

    def soon(self, call: Callable[..., object], *args: Any) -> None:
        self.later(0.0, call, *args)

    def later(self, delay_s: float, call: Callable[..., object], *args: Any) -> None:
        self._count += 1
        heappush(self._timers, (self.now_s + delay_s, self._count, call, args))

    def elapse(self, seconds: float = 0.0) -> None:
        """Let time pass; without: let this turn end."""
        until_s = self.now_s + seconds
        while self._timers and self._timers[0][0] <= until_s:
            self.now_s, _, call, args = heappop(self._timers)
            call(*args)
        self.now_s = until_s


class Pipe:
    """What was sent, and not delivered yet. Implements `Transport`."""

    def __init__(self) -> None:
        self.parcels: deque[bytes] = deque()
        self.takes = True

    async def open(self, me: str, events: TransportEvents) -> None: ...

    async def close(self) -> None: ...

    def nudge(self) -> None: ...

    def send(self, _to: str, parcel: bytes) -> bool:
        if self.takes:
            self.parcels.append(parcel)
        return self.takes


class End:
    """One of two nodes."""

    def __init__(self, me: str, other: str, turns: Turns) -> None:
        self.me, self.other = me, other
        self.pipe, self.stats = Pipe(), LinkStats()
        self.turns = turns
        self.said: list[str] = []
        self.links = self._links()

    def _links(self) -> Links:
        return Links(self.me, self.pipe, self, soon=self.turns.soon, later=self.turns.later, stats=self.stats)

    def say(self, *texts: str) -> None:
        for text in texts:
            self.links.send(self.other, Unfollow(text))
        self.turns.elapse()

    def restart(self) -> None:
        self.links.reset(self.me)

    def heard(self, member: str, message: Message) -> None:
        assert member == self.other
        self.said.append(message.address if isinstance(message, Unfollow) else type(message).__name__)

    def resynced(self, member: str) -> None:
        assert member == self.other
        self.said.append("resynced")


class Pair:
    def __init__(self) -> None:
        self.turns = Turns()
        self.a, self.b = End("a", "b", self.turns), End("b", "a", self.turns)

    def deliver(self) -> None:
        """Until nothing is under way."""
        self.turns.elapse()
        while self.a.pipe.parcels or self.b.pipe.parcels:
            for here, there in ((self.a, self.b), (self.b, self.a)):
                while here.pipe.parcels:
                    there.links.received(here.pipe.parcels.popleft())
            self.turns.elapse()


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_what_is_said_in_one_turn_goes_as_one_parcel(pair: Pair) -> None:
    pair.a.say("one", "two")
    pair.a.say("three")
    assert len(pair.a.pipe.parcels) == 2
    pair.deliver()
    assert pair.b.said == ["one", "two", "three"]


def test_a_parcel_that_grows_large_goes_before_the_turn_ends(pair: Pair) -> None:
    pair.a.links.send("b", Done("x" * (MAX_PARCEL_BYTES // 2), 1))
    pair.a.links.send("b", Done("x" * (MAX_PARCEL_BYTES // 2), 2))
    assert len(pair.a.pipe.parcels) == 1


def test_a_gap_makes_both_ends_begin_anew(pair: Pair) -> None:
    pair.a.say("before")
    pair.deliver()
    pair.a.say("lost")
    pair.a.pipe.parcels.clear()
    pair.a.say("after")
    pair.deliver()
    assert pair.b.said == ["before", "after", "resynced"]
    assert pair.a.said == ["resynced"]
    assert pair.a.links.broken == pair.b.links.broken == 0
    assert pair.b.stats.gaps == 1


def test_a_lost_question_is_asked_again_until_it_is_answered(pair: Pair) -> None:
    pair.a.links.suspect("b")
    for _ in range(3):
        pair.a.pipe.parcels.clear()
        pair.turns.elapse(RETRY_S)
    assert pair.a.links.broken == 1
    pair.deliver()
    assert pair.a.links.broken == 0
    pair.turns.elapse(2 * RETRY_S)
    assert not pair.a.pipe.parcels


def test_only_the_answer_to_the_latest_question_counts(pair: Pair) -> None:
    """What was lost after the first one was asked must be said anew too."""
    pair.a.links.suspect("b")
    pair.turns.elapse()
    pair.b.links.received(pair.a.pipe.parcels.popleft())
    pair.turns.elapse()
    pair.a.links.suspect("b")
    pair.a.links.received(pair.b.pipe.parcels.popleft())
    assert pair.a.links.broken == 1
    pair.turns.elapse(RETRY_S)
    pair.deliver()
    assert pair.a.links.broken == 0


def test_a_repeated_parcel_is_heard_once(pair: Pair) -> None:
    pair.a.say("once")
    parcel = pair.a.pipe.parcels[0]
    pair.deliver()
    pair.b.links.received(parcel)
    assert pair.b.said == ["once"]
    assert pair.b.stats.repeats == 1


def test_a_parcel_that_was_not_taken_breaks_the_link(pair: Pair) -> None:
    pair.a.pipe.takes = False
    pair.a.say("dropped")
    assert pair.a.links.broken == 1
    pair.a.pipe.takes = True
    pair.turns.elapse(RETRY_S)
    pair.deliver()
    assert pair.a.said[-1] == pair.b.said[-1] == "resynced"
    assert pair.a.links.broken == 0


def test_an_interruption_breaks_every_link(pair: Pair) -> None:
    pair.a.say("hello")
    pair.deliver()
    pair.b.links.interrupted()
    pair.deliver()
    assert pair.a.said == ["resynced"]
    assert pair.b.said == ["hello", "resynced"]


def test_who_forgot_us_speaks_on_a_new_link_and_we_begin_anew(pair: Pair) -> None:
    pair.a.say("one")
    pair.deliver()
    pair.a.restart()
    pair.a.say("two")
    pair.deliver()
    assert pair.b.said == ["one", "two", "resynced"]
    assert pair.a.links.broken == pair.b.links.broken == 0


def test_what_is_late_from_an_older_link_is_not_heard(pair: Pair) -> None:
    pair.a.say("late")
    late = pair.a.pipe.parcels.popleft()
    pair.a.restart()
    pair.a.say("new")
    pair.deliver()
    before = list(pair.b.said)
    pair.b.links.received(late)
    assert pair.b.said == before


def test_the_dead_are_not_heard_unless_they_are_members_again(pair: Pair) -> None:
    pair.b.links.keep([], ["a"])
    pair.a.say("from the grave")
    pair.deliver()
    assert pair.b.said == []
    pair.b.links.keep(["a"], [])
    pair.a.say("a mistake")
    pair.deliver()
    assert "a mistake" in pair.b.said


def test_so_many_of_the_dead_are_remembered(pair: Pair) -> None:
    pair.b.links.keep([], ["a", *(f"dead {number}" for number in range(MAX_GONE))])
    pair.a.say("forgotten")
    pair.deliver()
    assert pair.b.said[0] == "forgotten"


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x91" * 5000])
def test_hostile_bytes_are_counted_and_ignored(pair: Pair, data: bytes) -> None:
    pair.b.links.received(data)
    assert pair.b.stats.garbled == 1
    assert pair.b.links.peers == []


def test_a_message_of_a_newer_version_costs_no_other(pair: Pair) -> None:
    pair.b.links.received(encode(Parcel("a", 1, 1, [Raw(encode([999, "of a newer version"])), Raw(encode(Unfollow("known")))])))
    assert pair.b.said == ["known"]
    assert pair.b.stats.garbled == 1


def test_a_closed_node_hears_and_says_nothing(pair: Pair) -> None:
    pair.a.say("too late")
    pair.b.links.close()
    pair.deliver()
    assert pair.b.said == []


@settings(deadline=None)  # busy machines are slow
@given(st.lists(st.sampled_from(("a says", "b says", "lose", "repeat", "swap", "deliver", "restart", "elapse")), max_size=60))
def test_after_any_losses_a_whole_link_is_known_to_be_whole_by_both(steps: list[str]) -> None:
    """And what either said after its last `resynced` is heard in order, without a hole."""
    pair = Pair()
    for number, step in enumerate(steps):
        parcels = pair.a.pipe.parcels
        match step:
            case "a says":
                pair.a.say(f"{number:03d}")
            case "b says":
                pair.b.say(f"{number:03d}")
            case "lose" if parcels:
                parcels.pop()
            case "repeat" if parcels:
                parcels.append(parcels[0])
            case "swap":
                parcels.rotate()
            case "restart":
                pair.a.restart()
            case "elapse":
                pair.turns.elapse(RETRY_S)
            case "deliver":
                pair.deliver()
    pair.a.say("a probe")
    pair.b.say("a probe")
    pair.deliver()
    pair.turns.elapse(RETRY_S)
    pair.deliver()
    pair.turns.elapse(RETRY_S)
    assert pair.a.links.broken == pair.b.links.broken == 0
    assert not pair.a.pipe.parcels
    for end in (pair.a, pair.b):
        numbers = [text for text in end.said if text.isdigit()]
        assert numbers == sorted(set(numbers))


def test_numbers_begin_at_one_on_every_link(pair: Pair) -> None:
    pair.a.say("one")
    pair.a.say("two")
    pair.a.restart()
    pair.a.say("three")
    told = [decode_parcel(parcel) for parcel in pair.a.pipe.parcels]
    assert [(parcel.link, parcel.number) for parcel in told] == [(1, 1), (1, 2), (2, 1)]
