"""A room over its fan-out budget: it leaves things out in steps, says so, and recovers by itself."""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonroom.actors import kinds
from commonroom.actors.room.load import CALM_WINDOWS, STEPS, WINDOW_MS, Load
from commonroom.engine.actor import Context, Wake
from commonroom.moderation import UNFILTERED
from commonroom.protocol.cast import Cast, CastSend
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.presence import PresenceReset
from commonroom.protocol.room import RoomLoad
from commonroom.protocol.typing import Typing
from tests.actors.stage import Device, Stage

BUDGET = 100
"""Deliveries a second. Two sessions: 50 pushes a second are its worth."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.host._kinds = stage._kinds = kinds(UNFILTERED, BUDGET)
    yield stage
    stage.close()


@pytest.fixture
def in_room(stage: Stage, alice: Device, bob: Device, room: str) -> str:
    for device in (alice, bob):
        device.join(room)
    stage.advance(2)
    for device in (alice, bob):
        device.pushes.clear()
    return room


def cast_for(stage: Stage, device: Device, room: str, seconds: float, per_s: int) -> None:
    """Cast at a rate, evenly."""
    for _ in range(int(seconds * per_s)):
        device.send(CastSend, room, key="", data="x")
        stage.advance(1 / per_s)


def levels(device: Device) -> list[int]:
    return [push.level for push in device.took(RoomLoad)]


def test_P16_a_room_within_its_budget_says_nothing_of_load(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    cast_for(stage, alice, in_room, 5, 45)
    assert levels(bob) == []
    assert len(bob.took(Cast)) == 225
    assert bob.join(in_room).load == 0


@pytest.mark.parametrize(("per_s", "level"), [(60, 1), (125, 2), (250, 3)])
def test_P16_a_room_over_its_budget_degrades_a_step_for_each_doubling_and_tells_everybody(
    stage: Stage, alice: Device, bob: Device, in_room: str, per_s: int, level: int
) -> None:
    cast_for(stage, alice, in_room, 4, per_s)
    assert levels(bob)[-1] == levels(alice)[-1] == level
    assert stage.person("Carol").join(in_room).load == level


def test_P16_it_recovers_by_itself_a_level_at_a_time_and_says_so_though_nobody_does_anything(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    cast_for(stage, alice, in_room, 3, 250)
    assert levels(bob)[-1] == 3
    stage.advance((CALM_WINDOWS + 1) * WINDOW_MS / 1000)
    assert levels(bob) == [2]
    stage.advance(2 * (CALM_WINDOWS + 1) * WINDOW_MS / 1000)
    assert levels(bob) == [1, 0]
    before = stage.host.stats.wakes
    stage.advance(60)
    assert stage.host.stats.wakes == before, "a calm room is not looked at"


def test_P16_at_the_second_step_presence_is_a_count_and_becomes_a_list_again(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    cast_for(stage, alice, in_room, 3, 125)
    told = bob.took(PresenceReset)[-1].presence
    assert (told.people, told.count) == ([], 2)
    carol = stage.person("Carol")
    shown = carol.join(in_room).presence
    assert (shown.people, shown.count) == ([], 3)
    stage.advance(2 * (CALM_WINDOWS + 2) * WINDOW_MS / 1000)
    told = bob.took(PresenceReset)[-1].presence
    assert sorted(person.name for person in told.people) == ["Alice", "Bob", "Carol"]


def test_P16_at_the_third_step_casts_are_dropped_nobody_new_is_seen_typing_and_messages_go_on(
    stage: Stage, alice: Device, bob: Device, in_room: str
) -> None:
    bob.typing(in_room)
    cast_for(stage, alice, in_room, 3, 250)
    assert levels(bob)[-1] == 3
    for device in (alice, bob):
        device.pushes.clear()
    alice.cast(in_room, "", "unheard")
    alice.typing(in_room)
    assert bob.took(Cast) == []
    assert bob.took(Typing) == []
    alice.say(in_room, "heard")
    assert [push.text for push in bob.took(MessageCreate)] == ["heard"]
    assert stage.person("Carol").join(in_room).typing == [bob.principal]
    stage.advance(9)
    assert [push.active for push in alice.took(Typing)] == [False], "who was seen typing is not seen so for ever"


def test_P16_what_is_left_out_counts_so_that_a_room_does_not_flap(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    cast_for(stage, alice, in_room, 20, 250)
    told = levels(bob)
    assert told == sorted(told)
    assert told[-1] == 3


def test_P16_messages_count_too(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    ends = stage.now() + 3 * WINDOW_MS
    while stage.now() < ends:
        alice.send(MessageSend, in_room, nonce=alice.nonce(), text="hello")
        stage.advance(1 / 60)
    assert levels(bob) == [1]


def test_P16_another_activation_leaves_nothing_out(stage: Stage, alice: Device, bob: Device, in_room: str) -> None:
    cast_for(stage, alice, in_room, 3, 250)
    stage.restart()
    assert bob.join(in_room).load == 0


class Ticker:
    """The part of a context that a load uses."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.told: list[int] = []
        self.wakes: list[int] = []

    def publish(self, push: RoomLoad, *, conflate: str | None = None) -> None:
        assert conflate == "load"
        self.told.append(push.level)

    def schedule(self, at: int, wake: Wake) -> None:
        self.wakes.append(at)


@given(rates=st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_P16_a_level_rises_at_once_and_falls_by_one_after_a_row_of_calm_windows(rates: list[int]) -> None:
    ticker, load, calm = Ticker(), Load(BUDGET), 0
    ctx = cast("Context", ticker)
    load.weigh(ctx, "room", 0, 1)
    for rate in rates:
        before, reached = load.level, sum(rate > BUDGET * step for step in STEPS)
        ticker.now += WINDOW_MS
        load.pushes += rate
        changed = load.weigh(ctx, "room", 0, 1)
        assert changed is (load.level != before)
        is_calm = before > 0 and reached <= before and rate * 2 <= BUDGET * STEPS[before - 1]
        calm = calm + 1 if is_calm else 0
        assert load.level == (reached if reached > before else before - 1 if calm == CALM_WINDOWS else before)
        calm = 0 if calm == CALM_WINDOWS else calm
        assert bool(ticker.wakes) is (load.level > 0), "only a room that leaves things out is looked at again"
        ticker.wakes.clear()
    assert all(one != other for one, other in pairwise([0, *ticker.told]))


def test_P16_a_gateway_that_follows_anew_is_told_the_level_again() -> None:
    ticker, load = Ticker(), Load(BUDGET)
    ctx = cast("Context", ticker)
    load.weigh(ctx, "room", 0, 1)
    load.pushes, ticker.now = 10 * BUDGET, ticker.now + WINDOW_MS
    load.weigh(ctx, "room", 0, 1)
    load.announced()
    load.pushes, ticker.now = 10 * BUDGET, ticker.now + WINDOW_MS
    assert not load.weigh(ctx, "room", 0, 1)
    assert ticker.told == [3, 3]
