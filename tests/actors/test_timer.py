"""The shared timer in a room: commands, deadlines, downtime. See also `test_timer_model`."""

import msgspec
import pytest
from msgspec.structs import replace

from commonroom.actors.room.timer import GRACE_MS, MAX_CHAIN_MS, MAX_CHAINED, Part, SharedTimer
from commonroom.errors import Conflict, LimitExceeded
from commonroom.protocol.room import RoomArchive
from commonroom.protocol.session import Reply
from commonroom.protocol.timer import (
    MAX_PHASE_MS,
    Timer,
    TimerCommand,
    TimerConfigure,
    TimerExtend,
    TimerPause,
    TimerReset,
    TimerResume,
    TimerSettings,
    TimerSkip,
    TimerStart,
    TimerUpdate,
)
from tests.actors.stage import Device, Stage

MINUTE_MS = 60_000
HOUR_S = 3600.0


def updates(stage: Stage, room: str) -> list[TimerUpdate]:
    return [event for event in stage.events(room) if isinstance(event, TimerUpdate)]


def timer(stage: Stage, room: str) -> Timer:
    shown = stage.person("Reader")
    joined = shown.join(room)
    shown.leave(room)
    assert joined.timer is not None
    return joined.timer


def test_P12_a_start_sets_one_deadline_and_sends_nothing_until_it(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.advance(1)
    alice.pushes.clear()
    stage.advance(25 * 60 - 2)
    assert alice.pushes == []
    stage.advance(1)
    (push,) = alice.took(TimerUpdate)
    assert (push.cause, push.author, push.nonce, push.timer.phase, push.timer.status) == ("phase_end", None, None, "short_break", "running")
    assert push.timer.ends_at == push.at + 5 * MINUTE_MS


def test_P13_the_usual_day_is_four_focus_phases_with_a_long_break_after_the_fourth(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    start = updates(stage, room)[0].at
    stage.advance(2 * HOUR_S + 15 * 60 + 1)
    kinds = [(update.timer.phase, (update.at - start) // MINUTE_MS) for update in updates(stage, room)[1:]]
    short, focus = "short_break", "focus"
    assert kinds == [
        (short, 25),
        (focus, 30),
        (short, 55),
        (focus, 60),
        (short, 85),
        (focus, 90),
        ("long_break", 115),
        (focus, 130),
    ]
    assert timer(stage, room).focus_done == 4


def test_X2_what_is_left_is_kept_to_the_millisecond_over_pauses_and_a_kill(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.advance(61.234)
    alice.timer(room, TimerPause)
    start, pause = updates(stage, room)
    left = 25 * MINUTE_MS - (pause.at - start.at)
    assert 0 <= pause.at - start.at - 61_234 < 10  # the commits' own time
    assert timer(stage, room).remaining_ms == left
    stage.restart(down_s=5 * HOUR_S)
    alice.join(room)
    assert timer(stage, room).remaining_ms == left
    alice.timer(room, TimerResume)
    assert timer(stage, room).ends_at == updates(stage, room)[-1].at + left


@pytest.mark.parametrize(
    ("first", "refused"),
    [
        ([], TimerPause),
        ([], TimerResume),
        ([TimerStart], TimerStart),
        ([TimerStart], TimerResume),
        ([TimerStart, TimerPause], TimerPause),
        ([TimerStart, TimerPause], TimerStart),
    ],
)
def test_P13_a_command_that_does_not_fit_is_a_conflict_that_says_why(
    stage: Stage, alice: Device, room: str, first: list[type[TimerCommand]], refused: type[TimerCommand]
) -> None:
    alice.join(room)
    for command in first:
        alice.timer(room, command)
    before = timer(stage, room)
    with pytest.raises(Conflict, match=f"a timer that is {before.status}"):
        alice.timer(room, refused)
    assert timer(stage, room) == before


def test_P12_of_two_who_saw_the_same_version_one_is_refused(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    alice.timer(room, TimerStart, version=0)
    alice.timer(room, TimerPause, version=1)
    with pytest.raises(Conflict, match="version 2, not 1"):
        bob.timer(room, TimerSkip, version=1)
    bob.timer(room, TimerSkip, version=2)


def test_P12_a_replaced_deadline_never_takes_effect(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    for command in (TimerStart, TimerPause, TimerResume, TimerSkip, TimerReset):
        alice.timer(room, command)
        stage.advance(30)
    stage.advance(2 * HOUR_S)
    assert "phase_end" not in {update.cause for update in updates(stage, room)}


def test_P13_without_auto_start_the_next_phase_waits(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, TimerSettings(auto_start=False))
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.advance(HOUR_S)
    now = timer(stage, room)
    assert (now.status, now.phase, now.remaining_ms, now.focus_done) == ("idle", "short_break", 5 * MINUTE_MS, 1)


def test_a_room_that_everybody_left_stops_at_the_phases_end(stage: Stage, alice: Device, room: str) -> None:
    """Kept awake by its own traffic, so that no activation excuses its emptiness."""
    alice.join(room)
    alice.timer(room, TimerStart)
    alice.leave(room)
    script = stage.http(alice)
    for _ in range(26):
        stage.advance(60)
        script.say(room, "still awake")
    assert (timer(stage, room).status, len(updates(stage, room))) == ("idle", 2)


def test_X2_a_room_that_was_passivated_while_it_ran_does_not_run_for_ever(sleepy: Stage) -> None:
    """Each due time activates it, so each phase ends within the grace of an activation: it excuses one."""
    stage, alice = sleepy, sleepy.person("Alice")
    room = stage.room(alice)
    alice.join(room)
    alice.timer(room, TimerStart)
    alice.leave(room)
    stage.advance(24 * HOUR_S)
    assert [update.timer.status for update in updates(stage, room)] == ["running", "running", "idle"]
    assert stage.journal.streams[f"room/{room}"].next_due is None


def test_an_excuse_is_good_again_once_somebody_came_back(sleepy: Stage) -> None:
    stage, alice = sleepy, sleepy.person("Alice")
    room = stage.room(alice)
    alice.join(room)
    alice.timer(room, TimerStart)
    alice.leave(room)
    stage.advance(26 * 60)  # the first phase ended in an empty room
    alice.join(room)
    stage.advance(5 * 60)  # the second one did not
    alice.leave(room)
    stage.advance(24 * HOUR_S)
    assert [update.timer.status for update in updates(stage, room)] == ["running"] * 4 + ["idle"]


def test_X2_phases_missed_in_a_downtime_are_caught_up_due_to_due(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    start = updates(stage, room)[0].at
    stage.advance(60)
    stage.restart(down_s=2 * HOUR_S)
    joined = alice.join(room)
    ends = [(update.at - start) // MINUTE_MS for update in updates(stage, room)[1:]]
    assert ends == [25, 30, 55, 60, 85, 90, 115]
    assert joined.timer is not None
    assert (joined.timer.status, joined.timer.phase, joined.timer.ends_at) == ("running", "long_break", start + 130 * MINUTE_MS)
    stage.advance(15 * 60)
    assert timer(stage, room).status == "running"


def test_X2_a_downtime_nobody_returns_from_ends_with_the_phase_that_runs(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.restart(down_s=2 * HOUR_S)
    stage.advance(24 * HOUR_S)
    last = updates(stage, room)[-1]
    assert (last.timer.status, last.timer.phase) == ("idle", "focus")
    assert (last.at - updates(stage, room)[0].at) // MINUTE_MS == 130


def test_a_phase_that_ends_within_the_grace_of_a_restart_goes_on_and_later_ones_do_not(stage: Stage, alice: Device) -> None:
    for seconds, status in ((GRACE_MS / 1000 - 1, "running"), (GRACE_MS / 1000 + 1, "idle")):
        room = stage.room(alice, TimerSettings(focus_ms=1_000_000))
        alice.join(room)
        alice.timer(room, TimerStart)
        stage.advance(1000 - seconds - 0.1)
        stage.restart()
        stage.http(alice).say(room, "this activates the room")
        stage.advance(seconds + 1)
        assert updates(stage, room)[-1].timer.status == status


def test_phases_that_ended_over_twelve_hours_ago_are_not_followed_up(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.restart(down_s=MAX_CHAIN_MS / 1000 + 26 * 60)
    alice.join(room)
    assert [update.timer.status for update in updates(stage, room)] == ["running", "idle"]


def test_P12_an_activation_catches_up_with_a_bounded_number_of_phases(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, TimerSettings(1000, 1000, 1000))
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.restart(down_s=HOUR_S)
    alice.join(room)
    assert len(updates(stage, room)) == 1 + MAX_CHAINED + 1
    assert timer(stage, room).status == "idle"


def test_P12_a_retried_command_moves_the_timer_once(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    answers = [alice.ask(TimerStart, room, nonce="the-same-nonce") for _ in range(2)]
    assert [answer.offset for answer in answers if isinstance(answer, Reply)] == [2, 2]
    assert len(updates(stage, room)) == 1


# -- extended and configured ---------------------------------------------------------


def test_P13_an_extended_phase_ends_later_by_just_that_and_once(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    start = updates(stage, room)[0]
    stage.advance(24 * 60)
    alice.timer(room, TimerExtend)
    alice.timer(room, TimerExtend, by_ms=MINUTE_MS)
    extended = updates(stage, room)[-1]
    assert (extended.cause, extended.author, extended.timer.length_ms) == ("extend", alice.principal, 31 * MINUTE_MS)
    assert extended.timer.ends_at == start.at + 31 * MINUTE_MS
    stage.advance(6 * 60 - 1)
    assert len(updates(stage, room)) == 3
    stage.advance(2 * 60)
    (end,) = updates(stage, room)[3:]
    assert (end.cause, end.at - start.at, end.timer.length_ms) == ("phase_end", 31 * MINUTE_MS, 5 * MINUTE_MS)


def test_P13_a_paused_phase_is_extended_and_an_idle_one_is_not(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    with pytest.raises(Conflict, match="cannot extend a timer that is idle"):
        alice.timer(room, TimerExtend)
    alice.timer(room, TimerStart)
    stage.advance(60)
    alice.timer(room, TimerPause)
    left = timer(stage, room).remaining_ms
    alice.timer(room, TimerExtend)
    paused = timer(stage, room)
    assert (paused.status, paused.ends_at, paused.remaining_ms) == ("paused", None, left + 5 * MINUTE_MS)
    assert len(updates(stage, room)) == 3


def test_P13_no_phase_is_extended_beyond_four_hours_in_all(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, TimerSettings(focus_ms=MAX_PHASE_MS - 6 * MINUTE_MS))
    alice.join(room)
    alice.timer(room, TimerStart)
    alice.timer(room, TimerExtend)
    with pytest.raises(LimitExceeded, match="4 hours at most"):
        alice.timer(room, TimerExtend)
    alice.timer(room, TimerExtend, by_ms=MINUTE_MS)
    assert timer(stage, room).length_ms == MAX_PHASE_MS


def test_P13_of_two_who_extend_what_they_saw_one_is_refused(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    alice.timer(room, TimerStart)
    alice.timer(room, TimerExtend, version=1)
    with pytest.raises(Conflict, match="version 2, not 1"):
        bob.timer(room, TimerExtend, version=1)


SHORT = TimerSettings(focus_ms=10 * MINUTE_MS, short_break_ms=2 * MINUTE_MS, long_break_ms=3 * MINUTE_MS, long_every=2, auto_start=False)


def test_P13_an_idle_timer_takes_other_lengths_at_once(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerConfigure, settings=SHORT)
    now = timer(stage, room)
    assert (now.status, now.remaining_ms, now.length_ms, now.settings) == ("idle", 10 * MINUTE_MS, 10 * MINUTE_MS, SHORT)


@pytest.mark.parametrize("is_paused", [False, True])
def test_P13_a_phase_that_has_begun_keeps_its_length_and_the_next_takes_the_new_one(
    stage: Stage, alice: Device, room: str, is_paused: bool
) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    start = updates(stage, room)[0].at
    stage.advance(12 * 60)
    if is_paused:
        alice.timer(room, TimerPause)
    before = timer(stage, room)
    alice.timer(room, TimerConfigure, settings=SHORT)
    after = timer(stage, room)
    assert after == replace(before, version=before.version + 1, settings=SHORT)
    if is_paused:
        return
    stage.advance(13 * 60 + 1)
    end = updates(stage, room)[-1]
    assert (end.cause, end.at) == ("phase_end", start + 25 * MINUTE_MS)
    assert (end.timer.status, end.timer.phase, end.timer.length_ms) == ("idle", "short_break", 2 * MINUTE_MS)


def test_P13_what_the_settings_are_already_is_no_event(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerConfigure, settings=SHORT)
    assert alice.timer(room, TimerConfigure, settings=SHORT) == 0
    assert [update.timer.version for update in updates(stage, room)] == [1]


def test_P13_what_was_extended_and_configured_outlives_the_process(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    alice.timer(room, TimerExtend)
    alice.timer(room, TimerConfigure, settings=SHORT)
    told = timer(stage, room)
    for _ in range(2):  # once from the events, once from a snapshot
        stage.restart()
        alice.join(room)
        assert timer(stage, room) == told
        alice.remove(room, alice.say(room, "this makes a snapshot"))


def test_a_timer_from_before_phases_could_be_extended_has_the_length_of_its_settings(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    feature = next(one for one in stage.actor(room)._features if isinstance(one, SharedTimer))
    old = Timer(3, "running", "short_break", 1000, 5000, 1, SHORT)
    feature.load(msgspec.Raw(msgspec.msgpack.encode(Part(old))))
    assert feature.dump().timer == replace(old, length_ms=2 * MINUTE_MS)


def test_P14_a_phases_end_tells_what_comes_next_and_from_when_to_when(stage: Stage, alice: Device, room: str) -> None:
    """All that a client needs to announce it, and to count the next phase by itself."""
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.advance(25 * 60 + 1)
    (push,) = [one for one in alice.took(TimerUpdate) if one.cause == "phase_end"]
    assert (push.timer.phase, push.timer.status, push.timer.length_ms) == ("short_break", "running", 5 * MINUTE_MS)
    assert push.timer.ends_at == push.at + push.timer.length_ms


def test_P12_a_room_that_is_closed_stops_its_timer_and_goes_on_with_it_when_it_is_opened_again(
    stage: Stage, alice: Device, room: str
) -> None:
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.advance(60)
    alice.do(RoomArchive, room)
    stopped = updates(stage, room)[-1]
    assert (stopped.cause, stopped.author, stopped.timer.status) == ("pause", alice.authority.principal, "paused")
    stage.advance(HOUR_S)
    stage.restart()
    alice.join(room)
    assert updates(stage, room)[-1] == stopped, "no phase ends in a closed room"
    alice.do(RoomArchive, room, archived=False)
    alice.timer(room, TimerResume)
    assert updates(stage, room)[-1].timer.remaining_ms == stopped.timer.remaining_ms <= 24 * MINUTE_MS


def test_P12_closing_a_room_whose_timer_stands_still_changes_nothing_of_it(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    alice.do(RoomArchive, room)
    assert updates(stage, room) == []
