"""The shared timer in a room: commands, deadlines, downtime, and a reference model."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonroom.actors.room.timer import GRACE_MS, MAX_CHAIN_MS, MAX_CHAINED
from commonroom.errors import Conflict
from commonroom.protocol.session import Reply
from commonroom.protocol.timer import (
    Timer,
    TimerCommand,
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
COMMANDS: dict[str, type[TimerCommand]] = {
    "start": TimerStart,
    "pause": TimerPause,
    "resume": TimerResume,
    "skip": TimerSkip,
    "reset": TimerReset,
}


def updates(stage: Stage, room: str) -> list[TimerUpdate]:
    return [event for event in stage.events(room) if isinstance(event, TimerUpdate)]


def timer(stage: Stage, room: str) -> Timer:
    shown = stage.person("Reader")
    joined = shown.join(room)
    shown.leave(room)
    assert joined.timer is not None
    return joined.timer


def test_a_start_sets_one_deadline_and_sends_nothing_until_it(stage: Stage, alice: Device, room: str) -> None:
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


def test_the_usual_day_is_four_focus_phases_with_a_long_break_after_the_fourth(stage: Stage, alice: Device, room: str) -> None:
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


def test_what_is_left_is_kept_to_the_millisecond_over_pauses_and_a_kill(stage: Stage, alice: Device, room: str) -> None:
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
def test_a_command_that_does_not_fit_is_a_conflict_that_says_why(
    stage: Stage, alice: Device, room: str, first: list[type[TimerCommand]], refused: type[TimerCommand]
) -> None:
    alice.join(room)
    for command in first:
        alice.timer(room, command)
    before = timer(stage, room)
    with pytest.raises(Conflict, match=f"a timer that is {before.status}"):
        alice.timer(room, refused)
    assert timer(stage, room) == before


def test_of_two_who_saw_the_same_version_one_is_refused(stage: Stage, alice: Device, bob: Device, room: str) -> None:
    alice.join(room)
    bob.join(room)
    alice.timer(room, TimerStart, version=0)
    alice.timer(room, TimerPause, version=1)
    with pytest.raises(Conflict, match="version 2, not 1"):
        bob.timer(room, TimerSkip, version=1)
    bob.timer(room, TimerSkip, version=2)


def test_a_replaced_deadline_never_takes_effect(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    for command in (TimerStart, TimerPause, TimerResume, TimerSkip, TimerReset):
        alice.timer(room, command)
        stage.advance(30)
    stage.advance(2 * HOUR_S)
    assert "phase_end" not in {update.cause for update in updates(stage, room)}


def test_without_auto_start_the_next_phase_waits(stage: Stage, alice: Device) -> None:
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


def test_a_room_that_was_passivated_while_it_ran_does_not_run_for_ever(sleepy: Stage) -> None:
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


def test_phases_missed_in_a_downtime_are_caught_up_due_to_due(stage: Stage, alice: Device, room: str) -> None:
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


def test_a_downtime_nobody_returns_from_ends_with_the_phase_that_runs(stage: Stage, alice: Device, room: str) -> None:
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


def test_an_activation_catches_up_with_a_bounded_number_of_phases(stage: Stage, alice: Device) -> None:
    room = stage.room(alice, TimerSettings(1000, 1000, 1000))
    alice.join(room)
    alice.timer(room, TimerStart)
    stage.restart(down_s=HOUR_S)
    alice.join(room)
    assert len(updates(stage, room)) == 1 + MAX_CHAINED + 1
    assert timer(stage, room).status == "idle"


def test_a_retried_command_moves_the_timer_once(stage: Stage, alice: Device, room: str) -> None:
    alice.join(room)
    answers = [alice.ask(TimerStart, room, nonce="the-same-nonce") for _ in range(2)]
    assert [answer.offset for answer in answers if isinstance(answer, Reply)] == [2, 2]
    assert len(updates(stage, room)) == 1


# -- the reference model -----------------------------------------------------------


@dataclass
class Reference:
    """What the timer is to do, written down once more and more simply: a list of numbers."""

    focus: int
    short: int
    long: int
    every: int
    auto: bool
    status: str = "idle"
    phase: str = "focus"
    left: int = 0
    ends: int = 0
    done: int = 0
    version: int = 0
    excused_here: int = 0
    deserted: bool = False

    def __post_init__(self) -> None:
        self.left = self.focus

    def length(self) -> int:
        return {"focus": self.focus, "short_break": self.short, "long_break": self.long}[self.phase]

    def enter(self, phase: str, at: int, *, running: bool) -> None:
        self.phase, self.version = phase, self.version + 1
        self.status = "running" if running else "idle"
        self.left = self.length()
        self.ends = at + self.left

    def command(self, name: str, at: int) -> bool:
        allowed = {"start": ["idle"], "pause": ["running"], "resume": ["paused"]}.get(name, ["idle", "running", "paused"])
        if self.status not in allowed:
            return False
        self.deserted = False
        if name == "skip":
            self.enter("short_break" if self.phase == "focus" else "focus", at, running=self.status == "running")
        elif name == "reset":
            self.done = 0
            self.enter("focus", at, running=False)
        else:
            if name == "pause":
                self.left, self.status = self.ends - at, "paused"
            else:
                self.ends, self.status = at + self.left, "running"
            self.version += 1
        return True

    def reach(self, now: int, activated_at: int, *, present: bool) -> list[int]:
        """Let everything due until `now` happen; returns the due times."""
        ended = []
        while self.status == "running" and self.ends <= now:
            at = self.ends
            ended.append(at)
            excused = activated_at - MAX_CHAIN_MS <= at <= activated_at + GRACE_MS and (self.excused_here > 0 or not self.deserted)
            excused = excused and self.excused_here < MAX_CHAINED
            goes_on = self.auto and at >= activated_at - MAX_CHAIN_MS and (present or excused)
            self.excused_here += goes_on and not present
            self.deserted = not present
            after = "focus"
            if self.phase == "focus":
                self.done += 1
                after = "long_break" if self.done % self.every == 0 else "short_break"
            self.enter(after, at, running=goes_on)
        return ended

    def agrees_with(self, timer: Timer) -> None:
        assert (timer.version, timer.status, timer.phase, timer.focus_done) == (self.version, self.status, self.phase, self.done)
        if self.status == "running":
            assert timer.ends_at == self.ends
        else:
            assert (timer.ends_at, timer.remaining_ms) == (None, self.left)


LENGTH = st.integers(1, 40).map(lambda minutes: minutes * MINUTE_MS + 123)
STEP = st.one_of(
    st.sampled_from(list(COMMANDS)),
    st.integers(1, 60 * 60_000).map(lambda ms: ms / 1000),
    st.tuples(st.just("restart"), st.integers(0, 14 * 3600)),
    st.sampled_from(["enter", "exit"]),
)


class Play:
    """One room under the steps, and the model beside it."""

    def __init__(self, reference: Reference, seed: int) -> None:
        self.model = reference
        self.stage = Stage(seed)
        self.alice, self.script = self.stage.person("Alice"), self.stage.person("Script")
        timing = TimerSettings(reference.focus, reference.short, reference.long, reference.every, reference.auto)
        self.room = self.stage.room(self.alice, timing)
        self.script = self.stage.http(self.script)
        self.present = False
        self.dues: list[int] = []

    def step(self, step: object) -> None:
        if isinstance(step, float):
            self.stage.advance(step)
        elif isinstance(step, tuple):
            self._restart(float(step[1]))
        elif step in COMMANDS:
            self._command(str(step))
        elif step == "enter":
            self.alice.join(self.room)
            self.catch_up()
            self.present = True
        elif self.present:
            self.catch_up()
            self.alice.leave(self.room)
            self.present = False
        self.catch_up()

    def catch_up(self) -> None:
        """The model follows; a due time activates a room that nobody has touched yet."""
        activation = self.stage.activation(self.room)
        if activation is not None:
            self.dues += self.model.reach(self.stage.now(), activation.activated_at, present=self.present)

    def _command(self, name: str) -> None:
        send: Callable[[], int] = lambda: self.script.timer(self.room, COMMANDS[name])  # noqa: E731
        before = self.model.version
        try:
            send()
        except Conflict:
            self.catch_up()
            assert not self.model.command(name, self.stage.now())
            return
        done = updates(self.stage, self.room)[-1]
        self.dues += self._reach_before(done.at)
        assert self.model.command(name, done.at)
        assert self.model.version > before

    def _reach_before(self, at: int) -> list[int]:
        activation = self.stage.activation(self.room)
        assert activation is not None
        return self.model.reach(at, activation.activated_at, present=self.present)

    def _restart(self, down_s: float) -> None:
        self.catch_up()
        self.stage.restart(down_s)
        self.present, self.model.excused_here = False, 0
        self.script.say(self.room, "is anybody here?")  # activates

    def check(self) -> None:
        told = updates(self.stage, self.room)
        assert [update.timer.version for update in told] == list(range(1, len(told) + 1))
        assert [update.at for update in told if update.cause == "phase_end"] == self.dues  # each once, at its time
        assert sorted(update.at for update in told) == [update.at for update in told]
        actor = self.stage.actor(self.room)
        self.model.agrees_with(told[-1].timer if told else actor.view().timer)  # type: ignore[arg-type]
        self.model.agrees_with(actor.view().timer)  # type: ignore[arg-type]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.tuples(LENGTH, LENGTH, LENGTH),
    every=st.integers(1, 4),
    auto=st.booleans(),
    steps=st.lists(STEP, min_size=8, max_size=30),
    seed=st.integers(0, 1000),
)
def test_under_any_commands_pauses_and_restarts_the_timer_does_what_the_model_does(
    lengths: tuple[int, int, int], every: int, auto: bool, steps: list[object], seed: int
) -> None:
    play = Play(Reference(*lengths, every, auto), seed)
    for step in ["start", *steps]:
        play.step(step)
        play.check()
    play.stage.close()
