"""The timer's transitions, as pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from commonroom.actors.room import pomodoro
from commonroom.errors import Conflict
from commonroom.protocol.timer import Timer, TimerSettings

SETTINGS = TimerSettings(focus_ms=25_000, short_break_ms=5_000, long_break_ms=15_000, long_every=4)


def running(settings: TimerSettings = SETTINGS, at: int = 1000) -> Timer:
    return pomodoro.transition(pomodoro.fresh(settings), "start", at)


def test_a_new_timer_is_idle_with_the_whole_focus_phase_left() -> None:
    timer = pomodoro.fresh(SETTINGS)
    assert (timer.version, timer.status, timer.phase, timer.remaining_ms, timer.ends_at) == (0, "idle", "focus", 25_000, None)


def test_P14_start_sets_the_end_and_not_a_tick() -> None:
    timer = running(at=1000)
    assert (timer.version, timer.status, timer.ends_at) == (1, "running", 26_000)


def test_P13_pause_keeps_what_is_left_to_the_millisecond_and_resume_gives_it_back() -> None:
    paused = pomodoro.transition(running(at=1000), "pause", 8_123)
    assert (paused.status, paused.remaining_ms, paused.ends_at) == ("paused", 17_877, None)
    assert pomodoro.transition(paused, "resume", 100_000).ends_at == 117_877


def test_a_pause_after_the_end_leaves_nothing() -> None:
    assert pomodoro.transition(running(at=0), "pause", 26_000).remaining_ms == 0


@pytest.mark.parametrize(
    ("status", "action"),
    [("idle", "pause"), ("idle", "resume"), ("running", "start"), ("running", "resume"), ("paused", "start"), ("paused", "pause")],
)
def test_an_action_that_does_not_fit_is_a_conflict(status: str, action: str) -> None:
    timer = replace(running(), status=status)
    with pytest.raises(Conflict, match=f"cannot {action} a timer that is {status}"):
        pomodoro.transition(timer, action, 2000)


def test_P13_skip_runs_on_only_if_it_ran_and_does_not_count() -> None:
    skipped = pomodoro.transition(running(), "skip", 3000)
    assert (skipped.phase, skipped.status, skipped.ends_at, skipped.focus_done) == ("short_break", "running", 8_000, 0)
    idle = pomodoro.transition(pomodoro.fresh(SETTINGS), "skip", 3000)
    assert (idle.phase, idle.status, idle.ends_at) == ("short_break", "idle", None)


def test_P13_four_focus_phases_earn_a_long_break_and_the_cycle_begins_again() -> None:
    timer, phases = running(at=0), []
    for _ in range(9):
        assert timer.ends_at is not None
        timer = pomodoro.phase_end(timer, timer.ends_at, goes_on=True)
        phases.append(timer.phase)
    short, focus = "short_break", "focus"
    assert phases == [short, focus, short, focus, short, focus, "long_break", focus, short]
    assert timer.focus_done == 5


def test_a_phase_end_without_anybody_stops_at_the_next_phase() -> None:
    timer = pomodoro.phase_end(running(), 26_000, goes_on=False)
    assert (timer.status, timer.phase, timer.remaining_ms, timer.ends_at) == ("idle", "short_break", 5_000, None)


def test_a_pause_by_a_clock_that_is_behind_gives_no_more_than_there_was() -> None:
    assert pomodoro.transition(running(at=1000), "pause", 400).remaining_ms == 25_000


def test_P13_an_extension_moves_the_end_and_nothing_else() -> None:
    before = running(at=1000)
    after = pomodoro.extend(before, 60_000)
    assert (after.version, after.ends_at, after.length_ms) == (2, 86_000, 85_000)
    assert replace(after, version=1, ends_at=before.ends_at, remaining_ms=before.remaining_ms, length_ms=before.length_ms) == before
    assert pomodoro.transition(after, "pause", 31_000).remaining_ms == 55_000


def test_P13_other_settings_concern_the_phase_only_while_it_is_idle() -> None:
    other = replace(SETTINGS, focus_ms=40_000, short_break_ms=7_000)
    idle = pomodoro.configure(pomodoro.fresh(SETTINGS), other)
    assert (idle.version, idle.remaining_ms, idle.length_ms) == (1, 40_000, 40_000)
    before = running()
    assert pomodoro.configure(before, other) == replace(before, version=2, settings=other)
    assert pomodoro.phase_end(pomodoro.configure(before, other), 26_000, goes_on=True).ends_at == 33_000


def test_P13_reset_leads_to_the_first_focus_phase() -> None:
    timer = pomodoro.transition(pomodoro.phase_end(running(), 26_000, goes_on=True), "reset", 27_000)
    assert (timer.status, timer.phase, timer.focus_done, timer.remaining_ms) == ("idle", "focus", 0, 25_000)


@given(st.lists(st.tuples(st.sampled_from(["start", "pause", "resume", "skip", "reset", "end"]), st.integers(0, 40_000)), max_size=40))
def test_P13_any_walk_keeps_the_timer_sound(walk: list[tuple[str, int]]) -> None:
    timer, now = pomodoro.fresh(SETTINGS), 0
    for action, pause_ms in walk:
        now += pause_ms
        before = timer
        if action == "end":
            timer = pomodoro.phase_end(timer, now, goes_on=bool(pause_ms % 2)) if timer.status == "running" else timer
        elif (timer.status, action) in pomodoro.ACTIONS:
            timer = pomodoro.transition(timer, action, now)
        assert timer is before or timer.version == before.version + 1
        assert (timer.ends_at is not None) == (timer.status == "running")
        assert 0 <= timer.remaining_ms <= timer.length_ms == pomodoro.length_ms(SETTINGS, timer.phase)
        assert timer.ends_at is None or timer.ends_at - now <= pomodoro.length_ms(SETTINGS, timer.phase)
