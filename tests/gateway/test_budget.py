"""The fan-out budget: arithmetic under a clock moved by hand, and a room that is over it."""

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from commonroom.engine.gateway.fanout.budget import BURST_S, UNWAITED, Budget
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.room import Joined, RoomLoad
from tests.gateway.conftest import MakeRig
from tests.gateway.stage import Stage, durable_offsets

DELAY_S = 0.05


class Time:
    """Seconds by hand; counts the looks."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now_s


def make(writes_per_s: int = 1000, max_delay_s: float = DELAY_S) -> tuple[Budget, Time]:
    time = Time()
    return Budget(writes_per_s, max_delay_s, time), time


def test_a_burst_is_free_and_what_is_beyond_waits_until_it_is_paid() -> None:
    budget, time = make()
    budget.spend(50, 2)
    assert budget.wait_s() == 0
    budget.spend(20, 2)
    assert budget.wait_s() == pytest.approx(0.020)
    time.now_s += 0.015
    assert budget.wait_s() == pytest.approx(0.005)
    time.now_s += 0.006
    assert budget.wait_s() == 0


def test_within_the_budget_a_flush_costs_one_look_at_the_clock() -> None:
    budget, time = make()
    for _ in range(10):
        assert budget.wait_s() == 0
        budget.spend(5, 2)
    assert time.looks == 10


def test_a_huge_room_waits_the_longest_delay_and_no_longer_once_it_is_calm() -> None:
    budget, time = make()
    for _ in range(100):
        budget.spend(10_000, 2)
        assert budget.wait_s() == pytest.approx(DELAY_S)
    time.now_s += DELAY_S + 1e-6
    assert budget.wait_s() == 0
    time.now_s += BURST_S
    budget.spend(50, 2)
    assert budget.wait_s() == 0


def test_no_delay_allowed_is_none_made() -> None:
    budget, _ = make(max_delay_s=0)
    budget.spend(10_000, 2)
    assert budget.wait_s() == 0


@given(st.integers(1, 200_000), st.lists(st.tuples(st.integers(0, 300), st.floats(0, 0.2)), min_size=1, max_size=60))
def test_writes_never_outrun_the_budget_by_more_than_the_burst_and_one_flush(rate: int, flushes: list[tuple[int, float]]) -> None:
    """Where no wait is cut short; and no wait is longer than allowed."""
    budget, time = make(rate)
    began_s, written, last, cut = time.now_s, 0, 0, False
    for writes, calm_s in flushes:
        time.now_s += calm_s
        wait_s = budget.wait_s()
        assert 0 <= wait_s <= DELAY_S + 1e-9
        time.now_s += wait_s
        assert cut or written - last <= rate * (time.now_s - began_s + BURST_S) + 1e-3
        cut = cut or writes / rate > DELAY_S
        budget.spend(writes, 2)
        written, last = written + writes, writes


def test_a_wait_that_gathers_nothing_is_not_repeated_at_once() -> None:
    budget, time = make(100)
    budget.spend(10, 1)
    for _ in range(3):
        wait_s = budget.wait_s()
        assert wait_s > 0
        time.now_s += wait_s
        budget.spend(10, 1)
        for _ in range(UNWAITED):
            assert not budget.wait_s()
            budget.spend(10, 1)
    assert budget.wait_s() > 0
    budget.spend(10, 2)
    assert budget.wait_s() > 0, "that one gathered two pushes: waiting pays again"


def test_a_room_over_its_budget_delivers_everything_in_fewer_writes_and_is_immediate_again_when_calm() -> None:
    stage = Stage(fanout_writes_per_s=100)  # a burst of 5 writes
    readers = stage.live("ada", "ben")
    stage.time.elapsed_s += 1
    before = readers[0].transport.writes
    for _ in range(40):
        stage.send(stage.room.append(), stage.room.typed("eve", True))
        if len(stage.room.events) % 10 == 0 and stage.later:
            stage.wait()
    for reader in readers:
        assert durable_offsets(reader.messages) == list(range(1, 41))
        assert len(reader.messages) == 80
    assert readers[0].transport.writes - before == 7, "three at once, then one for each ten turns"
    stats = stage.around.stats
    assert stats.widened == 4
    assert 0 < stats.widened_ms <= 4 * 50
    stage.time.elapsed_s += 0.1
    stage.send(stage.room.append())
    assert durable_offsets(readers[1].messages)[-1] == 41
    assert stats.widened == 4


def test_a_join_does_not_wait_for_a_widened_flush_and_keeps_the_order() -> None:
    stage = Stage(ring=8, fanout_writes_per_s=20)
    [ada] = stage.live("ada")
    for _ in range(5):
        stage.send(stage.room.append())
    assert len(stage.later) == 1
    ben = stage.add("ben", resume=0)
    stage.answer()
    assert durable_offsets(ada.messages) == durable_offsets(ben.messages) == [1, 2, 3, 4, 5]
    stage.send(stage.room.append())
    stage.wait()
    assert durable_offsets(ada.messages) == durable_offsets(ben.messages) == [1, 2, 3, 4, 5, 6]
    assert (len(stage.later), len(stage.soon)) == (0, 0)


async def test_a_busy_room_over_its_budget_loses_nothing_on_real_sockets(make_rig: MakeRig) -> None:
    rig = await make_rig(fanout_writes_per_s=1000, fanout_max_delay_ms=5)
    sockets = [await rig.joined(f"r{number}") for number in range(5)]
    for _ in range(200):
        rig.router.say(rig.router.room())
        await asyncio.sleep(0)
    for socket in sockets:
        for offset in range(1, 201):
            message = await socket.message()
            assert isinstance(message, MessageCreate)
            assert message.offset == offset
    assert rig.gateway.stats.widened > 0


def test_P16_a_wide_budget_keeps_flushes_apart_whatever_they_cost_and_is_immediate_after_a_rest() -> None:
    budget, time = make()
    budget.spend(1, 2)
    budget.widen(True)
    time.now_s += 0.02
    assert budget.wait_s() == pytest.approx(DELAY_S - 0.02)
    time.now_s += DELAY_S
    budget.spend(1, 2)
    time.now_s += 2 * DELAY_S
    assert budget.wait_s() == 0
    budget.spend(1, 2)
    budget.widen(False)
    budget.spend(1, 2)
    assert not budget.tight


def load(stage: Stage, level: int) -> None:
    stage.send(stage.room.volatile(RoomLoad(stage.room.name, level), "load"))


def test_P16_a_room_that_says_it_is_over_its_budget_is_flushed_less_often_on_every_node_until_it_says_otherwise() -> None:
    stage = Stage()
    readers = stage.live("ada", "ben")
    load(stage, 1)
    before = readers[0].transport.writes
    for _ in range(10):
        stage.send(stage.room.append())
    assert readers[0].transport.writes == before
    stage.wait()
    assert readers[0].transport.writes == before + 1
    stage.time.elapsed_s += 1
    load(stage, 0)
    for _ in range(10):
        stage.send(stage.room.append())
    assert readers[0].transport.writes == before + 12
    for reader in readers:
        assert durable_offsets(reader.messages) == list(range(1, 21))
        assert [one.level for one in reader.messages if isinstance(one, RoomLoad)] == [1, 0]


def test_P16_a_node_whose_first_reader_joins_later_learns_the_level_from_the_join(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    admission = stage.room.admission
    told = replace(cast("Joined", admission(None).snapshot), load=2)
    monkeypatch.setattr(stage.room, "admission", lambda resume: replace(admission(resume), snapshot=told))
    stage.live("ada")
    assert stage.fanout.load == 2
    stage.send(stage.room.append())
    stage.send(stage.room.append())
    assert len(stage.later) == 1


def test_P16_another_activation_leaves_nothing_out_and_readers_are_told_so_once() -> None:
    stage = Stage()
    [ada] = stage.live("ada")
    load(stage, 3)
    stage.settle()
    ada.seen()
    stage.fanout.announce()
    stage.fanout.announce()
    stage.settle()
    assert [one for one in ada.seen() if isinstance(one, RoomLoad)] == [RoomLoad(stage.room.name, 0)]
