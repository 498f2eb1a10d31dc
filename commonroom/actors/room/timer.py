"""The shared timer: one deadline, no ticks (FEATURES P12-P14, X2).

Where phases start by themselves, they follow one another due to due: a room that
slept through some catches up with one event each. With nobody here that needs an
excuse: the server was away, so those who were here may be about to reconnect. The
excuse holds for what ended before the activation or within `GRACE_MS` of it, and once:
where the phase before had ended in an empty room already, nobody came back.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from commonroom.actors.room import pomodoro
from commonroom.actors.room.attendance import Attendance, Meter, PhaseAttendance
from commonroom.actors.room.change import Changing
from commonroom.actors.room.feature import Room, stamp
from commonroom.actors.room.roster import Member
from commonroom.engine.actor import Context, Deadline, Wake
from commonroom.errors import Conflict
from commonroom.protocol.room import RoomArchive, RoomCreated
from commonroom.protocol.timer import (
    Timer,
    TimerCause,
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
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["GRACE_MS", "MAX_CHAINED", "MAX_CHAIN_MS", "SharedTimer"]

GRACE_MS = 60_000
"""So long after an activation phases go on with nobody here: people are about to reconnect."""

MAX_CHAIN_MS = 12 * 3600 * 1000
"""Phases that ended longer ago than this are not followed by a next one: nobody was studying."""

MAX_CHAINED = 100
"""Phases an activation lets follow one another in an empty room; 12 h of the usual lengths are 48."""


CONTINUING: Final[frozenset[TimerCause]] = frozenset({"resume", "extend", "configure"})
"""After these, what was attended of the phase before still counts."""


class Part(Struct, frozen=True, array_like=True):
    """The feature's part of the snapshot.

    `attended` is what earlier stretches of this focus phase saw. `deserted`: the last
    phase ended with nobody here.
    """

    timer: Timer
    attended: tuple[Attendance, ...] = ()
    deserted: bool = False


class SharedTimer(Changing):
    """The feature `timer`."""

    __slots__ = ("_attended", "_chained", "_deserted", "_due", "_meter", "timer")

    name = "timer"
    commands = (TimerStart, TimerPause, TimerResume, TimerSkip, TimerReset, TimerExtend, TimerConfigure)
    observes = (RoomArchive,)
    events = (RoomCreated, TimerUpdate)
    actions: ClassVar[dict[type[Command], TimerCause]] = {
        TimerStart: "start",
        TimerPause: "pause",
        TimerResume: "resume",
        TimerSkip: "skip",
        TimerReset: "reset",
        TimerExtend: "extend",
        TimerConfigure: "configure",
    }

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._attended: Sequence[Attendance] = ()
        self._deserted = False
        self._chained = 0
        self._meter = Meter()
        self._take(pomodoro.fresh(TimerSettings()))

    # -- the fold --------------------------------------------------------------

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        if isinstance(event, RoomCreated):
            self._take(pomodoro.fresh(event.timer))
        elif isinstance(event, TimerUpdate):
            facts = msgspec.msgpack.decode(private, type=PhaseAttendance) if private is not None else PhaseAttendance([])
            if event.cause not in CONTINUING:
                self._attended = tuple(facts.people) if event.cause == "pause" else ()
            self._deserted = event.cause == "phase_end" and not facts.present
            self._take(event.timer)

    def dump(self) -> Part:
        return Part(self.timer, tuple(self._attended), self._deserted)

    def load(self, part: Raw) -> None:
        stored = msgspec.msgpack.decode(part, type=Part)
        self._attended, self._deserted = stored.attended, stored.deserted
        self._take(stored.timer)

    def _take(self, timer: Timer) -> None:
        if not timer.length_ms:  # from before phases could be extended
            timer = replace(timer, length_ms=pomodoro.length_ms(timer.settings, timer.phase))
        self.timer = timer
        self._due = None if timer.ends_at is None else Deadline(timer.ends_at, Wake(self.name, timer.version))

    # -- commands and deadlines ------------------------------------------------

    def receive(self, ctx: Context, command: Command) -> None:
        if not isinstance(command, TimerCommand):
            return
        before = self.timer
        if command.version is not None and command.version != before.version:
            raise Conflict(f"the timer is at version {before.version}, not {command.version}")
        cause = self.actions[type(command)]
        after = _moved(before, command, cause, ctx.now)
        if after is not before:
            self._change(ctx, cause, after, command.nonce)

    def observed(self, ctx: Context, command: Command) -> None:
        """Nothing goes on in a room that was closed: nobody could stop it."""
        if isinstance(command, RoomArchive) and command.archived and self.timer.ends_at is not None:
            self._change(ctx, "pause", pomodoro.transition(self.timer, "pause", ctx.now), None)

    def _change(self, ctx: Context, cause: TimerCause, after: Timer, nonce: str | None) -> None:
        facts = self._facts(ctx.now) if cause == "pause" and self.timer.phase == "focus" else None
        fields = stamp(ctx, self.room, nonce, ctx.authority.principal)
        ctx.persist(TimerUpdate(**fields, cause=cause, timer=after), private=facts)
        if cause not in CONTINUING:
            self._meter.clear()

    def due(self) -> Deadline | None:
        return self._due

    def wake(self, ctx: Context, wake: Wake) -> None:
        """The phase has ended, at `ctx.now` however late it is."""
        facts = self._facts(ctx.now)
        after = pomodoro.phase_end(self.timer, ctx.now, goes_on=self._goes_on(ctx))
        ctx.persist(TimerUpdate(**stamp(ctx, self.room, None, None), cause="phase_end", timer=after), private=facts)
        self._meter.clear()

    def _goes_on(self, ctx: Context) -> bool:
        """Whether the next phase starts by itself, see the module's text."""
        if self.room.known.archived_at is not None or not self.timer.settings.auto_start or ctx.now < ctx.activated_at - MAX_CHAIN_MS:
            return False
        if len(self.room.roster):
            return True
        excused = self._chained > 0 or not self._deserted
        if not excused or self._chained >= MAX_CHAINED or ctx.now > ctx.activated_at + GRACE_MS:
            return False
        self._chained += 1
        return True

    # -- attendance ------------------------------------------------------------

    def departed(self, ctx: Context, member: Member) -> None:
        if (began_at := self._focus_began_at()) is not None:
            self._meter.left(member, began_at, ctx.now)

    def _facts(self, until: int) -> PhaseAttendance:
        """What the event that ends this stretch at `until` says of people."""
        roster, timer = self.room.roster, self.timer
        began_at = self._focus_began_at()
        if began_at is None:
            return PhaseAttendance([], len(roster))
        elapsed_ms = timer.length_ms - pomodoro.remaining_ms(timer, until)
        return PhaseAttendance(self._meter.total(self._attended, roster, began_at, until, elapsed_ms), len(roster))

    def _focus_began_at(self) -> int | None:
        """When the running stretch of a focus phase began; None: there is none."""
        timer = self.timer
        if timer.ends_at is None or timer.phase != "focus":
            return None
        return timer.ends_at - timer.remaining_ms

    # -- what others see -------------------------------------------------------

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        return {"timer": self.timer}


def _moved(timer: Timer, command: TimerCommand, cause: TimerCause, now: int) -> Timer:
    """The timer after a command; itself where nothing would change. Raises Conflict, LimitExceeded."""
    match command:
        case TimerExtend():
            return pomodoro.extend(timer, command.by_ms)
        case TimerConfigure():
            return timer if command.settings == timer.settings else pomodoro.configure(timer, command.settings)
        case _:
            return pomodoro.transition(timer, cause, now)
