"""The shared timer against a reference model: random commands, people, restarts, owners, clocks (FEATURES P12-P14, X2)."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonroom.actors.room import pomodoro
from commonroom.actors.room.attendance import PhaseAttendance
from commonroom.engine.private import unpack
from commonroom.engine.testing.loop import VirtualClock
from commonroom.errors import Conflict, LimitExceeded, Unavailable
from commonroom.protocol.codec import decode_event
from commonroom.protocol.timer import (
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
from tests.actors.stage import Stage
from tests.actors.timer_model import MINUTE_MS, Reference

COMMANDS: dict[str, type[TimerCommand]] = {
    "start": TimerStart,
    "pause": TimerPause,
    "resume": TimerResume,
    "skip": TimerSkip,
    "reset": TimerReset,
}
RIGHT_MS = 100
"""So far what anybody is shown may be from what it should be."""


class OwnClock(VirtualClock):
    """The clock of one node, which need not agree with that of the node before."""

    offset_ms = 0

    def now(self) -> Any:
        return super().now() + self.offset_ms


LENGTH = st.one_of(st.integers(1, 40), st.just(225)).map(lambda minutes: minutes * MINUTE_MS + 123)
SETTINGS = st.builds(TimerSettings, LENGTH, LENGTH, LENGTH, st.integers(1, 4), st.booleans())
STEP = st.one_of(
    st.tuples(st.just("command"), st.sampled_from(list(COMMANDS))),
    st.tuples(st.just("extend"), st.integers(1, 30).map(lambda minutes: minutes * MINUTE_MS)),
    st.tuples(st.just("configure"), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.integers(1, 45 * MINUTE_MS).map(lambda ms: ms / 1000)),  # never a day: the room would archive itself
    st.tuples(st.just("restart"), st.tuples(st.one_of(st.just(0), st.integers(0, 14 * 3600)), st.integers(-3000, 3000))),
    st.tuples(st.just("move"), st.integers(0, 1800)),
    st.tuples(st.sampled_from(["enter", "exit"]), st.none()),
)


class Play:
    """One room under the steps, and the model beside it."""

    def __init__(self, timings: list[TimerSettings], seed: int) -> None:
        self.stage = Stage(seed)
        self.clock = self.stage.clock = OwnClock(self.stage.loop)
        self.stage.restart()
        self.timings = timings
        self.model = Reference(timings[0])
        self.alice, self.script = self.stage.person("Alice"), self.stage.http(self.stage.person("Script"))
        self.room = self.stage.room(self.alice, timings[0])
        self.is_present = False
        self.activation = ""
        self.dues: list[int] = []

    def step(self, name: str, argument: Any) -> None:
        act: Callable[[Any], None] = getattr(self, name)
        act(argument)
        self.catch_up()

    # -- steps -------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        self.stage.advance(seconds)

    def enter(self, _: None) -> None:
        self.alice.join(self.room)
        self.catch_up()
        self.is_present = True

    def exit(self, _: None) -> None:
        if self.is_present:
            self.catch_up()
            self.alice.leave(self.room)
            self.stage.advance(0.01)
            self.is_present = False

    def command(self, name: str) -> None:
        self._send(COMMANDS[name], lambda at: self.model.command(name, at))

    def extend(self, by_ms: int) -> None:
        self._send(TimerExtend, lambda _: self.model.extend(by_ms), by_ms=by_ms)

    def configure(self, which: int) -> None:
        timing = self.timings[which]
        self._send(TimerConfigure, lambda _: self.model.configure(timing), settings=timing)

    def restart(self, how: tuple[int, int]) -> None:
        """The process is killed; after a while another one starts, on a machine whose clock says something else."""
        down_s, skew_ms = how
        self.catch_up()
        self.clock.offset_ms += skew_ms
        self.stage.restart(down_s)
        self.is_present = False
        self.script.say(self.room, "is anybody here?")  # activates

    def move(self, gap_s: int) -> None:
        """Another owner has the slot for a while: what this one does is refused, and it begins anew once it is the owner again."""
        self.catch_up()
        self.stage.fail(self.room)
        self.stage.advance(gap_s)
        self._say()
        self.stage.mend(self.room)
        while not self._say():
            self.stage.advance(1)

    def _say(self) -> bool:
        try:
            self.script.say(self.room, "is anybody here?")
        except Unavailable:
            return False
        return True

    def _send(self, kind: type[TimerCommand], moves: Callable[[int], bool], **fields: Any) -> None:
        sent_at = self.stage.now()
        try:
            offset = self.script.timer(self.room, kind, **fields)
        except (Conflict, LimitExceeded):
            offset = 0
        if not offset:
            self.catch_up()
            assert not moves(self.stage.now())
            return
        done_at = self.updates()[-1].at
        assert 0 <= done_at - sent_at <= RIGHT_MS
        self.reach(done_at)
        assert moves(done_at)

    # -- the model follows -----------------------------------------------------------

    def catch_up(self) -> None:
        self.reach(self.stage.now())

    def reach(self, until: int) -> None:
        """What was overdue for an activation took effect before anybody was announced to it."""
        activation = self.stage.activation(self.room)
        if activation is None:  # a due time activates a room that nobody has touched yet
            return
        if activation.activation != self.activation:
            self.activation, self.model.excused_here = activation.activation, 0
            self.dues += self.model.reach(min(until, activation.activated_at), activation.activated_at, present=False)
        self.dues += self.model.reach(until, activation.activated_at, present=self.is_present)

    # -- what has to hold --------------------------------------------------------------

    def updates(self) -> list[TimerUpdate]:
        return [event for event in self.stage.events(self.room) if isinstance(event, TimerUpdate)]

    def check(self) -> None:
        told = self.updates()
        assert [update.timer.version for update in told] == list(range(1, len(told) + 1))
        assert [update.at for update in told if update.cause == "phase_end"] == self.dues  # each once, at its time
        timer = self.stage.actor(self.room).shown().timer
        assert timer is not None
        self.model.agrees_with(timer)
        if told:
            self.model.agrees_with(told[-1].timer)
        self.check_what_is_left(timer)
        self.check_attendance()

    def check_what_is_left(self, timer: Timer) -> None:
        now = self.stage.now()
        left = pomodoro.remaining_ms(timer, now)
        assert abs(left - self.model.remaining(now)) <= RIGHT_MS
        assert 0 <= left <= timer.length_ms

    def check_attendance(self) -> None:
        """Nobody attended for longer than the phase had run."""
        for kept in self.stage.journal.streams[f"room/{self.room}"].events:
            event, facts = decode_event(kept.payload), unpack(kept.private).facts
            if isinstance(event, TimerUpdate) and facts is not None:
                for person in msgspec.msgpack.decode(facts, type=PhaseAttendance).people:
                    assert 0 <= person.present_ms <= self.model.elapsed[event.timer.version]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(timings=st.tuples(SETTINGS, SETTINGS, SETTINGS).map(list), steps=st.lists(STEP, min_size=8, max_size=30), seed=st.integers(0, 1000))
def test_P12_P13_X2_whatever_happens_the_timer_does_what_the_model_does(
    timings: list[TimerSettings], steps: list[tuple[str, Any]], seed: int
) -> None:
    play = Play(timings, seed)
    for name, argument in [("command", "start"), *steps]:
        play.step(name, argument)
        play.check()
    play.stage.close()
