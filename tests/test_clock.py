"""Cluster time neither jumps nor runs backwards, whatever the node's clocks do."""

import time

import pytest

from commonroom.clock import MAX_SLEW, STEP_MS, ClusterClock


class Clocks:
    """This node's clocks, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_s, self.monotonic_s = 1_700_000_000.0, 1000.0
        monkeypatch.setattr(time, "time", lambda: self.wall_s)
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic_s)

    def pass_s(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def test_the_first_comparison_is_taken_whole(clocks: Clocks) -> None:
    clock = ClusterClock()
    clock.observe(clock.local_ms() - 90_000, clock.local_ms())
    assert clock.now() == int(clocks.wall_s * 1000) - 90_000


def test_a_correction_after_long_agreement_is_slewed_from_then_on(clocks: Clocks) -> None:
    clock = ClusterClock()
    clock.observe(clock.local_ms(), clock.local_ms())
    clock.now()
    clocks.pass_s(600)
    before = clock.now()
    clock.observe(clock.local_ms() + 1000, clock.local_ms())
    assert clock.now() == before
    clocks.pass_s(1)
    assert clock.now() == before + 1000 + int(1000 * MAX_SLEW)
    clocks.pass_s(60)
    assert clock.now() == before + 61_000 + 1000


def test_a_correction_backwards_only_slows_time_down(clocks: Clocks) -> None:
    clock = ClusterClock()
    clock.observe(clock.local_ms(), clock.local_ms())
    before = clock.now()
    clock.observe(clock.local_ms() - 10_000, clock.local_ms())
    clocks.pass_s(10)
    assert clock.now() == before + 10_000 - int(10_000 * MAX_SLEW)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_step_of_the_wall_clock_moves_nothing(clocks: Clocks, step_s: float) -> None:
    clock = ClusterClock()
    clock.observe(clock.local_ms(), clock.local_ms())
    before = clock.now()
    clocks.wall_s += step_s
    clocks.pass_s(1)
    assert clock.now() == before + 1000


def test_time_that_the_machine_slept_through_is_taken_at_once(clocks: Clocks) -> None:
    clock = ClusterClock()
    clock.observe(clock.local_ms(), clock.local_ms())
    before = clock.now()
    clock.observe(clock.local_ms() + STEP_MS + 60_000, clock.local_ms())
    assert clock.now() == before + STEP_MS + 60_000
