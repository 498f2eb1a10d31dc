"""The shared timer: one deadline, no ticks (FEATURES P12-P14, X2)."""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from commonroom.actors.room import pomodoro
from commonroom.actors.room.feature import Feature, Room, stamp
from commonroom.actors.room.roster import Member
from commonroom.engine.actor import Context, Deadline, Wake
from commonroom.errors import Conflict
from commonroom.identity import Principal
from commonroom.protocol.room import RoomCreated
from commonroom.protocol.timer import (
    Timer,
    TimerCause,
    TimerCommand,
    TimerPause,
    TimerReset,
    TimerResume,
    TimerSettings,
    TimerSkip,
    TimerStart,
    TimerUpdate,
)
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["Attendance", "PhaseAttendance", "SharedTimer"]

GRACE_MS = 60_000
"""So long after an activation phases go on with nobody here: people are about to reconnect."""

MAX_CHAIN_MS = 12 * 3600 * 1000
"""Phases that ended longer ago than this are not followed by a next one: nobody was studying."""


class Attendance(Struct, frozen=True, array_like=True, gc=False):
    """How long one person was here while the phase ran, ms."""

    principal: Principal
    present_ms: int


class PhaseAttendance(Struct, frozen=True, array_like=True):
    """Private facts of a finished focus phase, for the study ledger. Never framed."""

    people: list[Attendance]


class SharedTimer(Feature):
    """The feature `timer`."""

    __slots__ = ("_present_ms", "_running_since", "timer")

    name = "timer"
    commands = (TimerStart, TimerPause, TimerResume, TimerSkip, TimerReset)
    events = (RoomCreated, TimerUpdate)
    actions: ClassVar[dict[type[Command], TimerCause]] = {
        TimerStart: "start",
        TimerPause: "pause",
        TimerResume: "resume",
        TimerSkip: "skip",
        TimerReset: "reset",
    }

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.timer = pomodoro.fresh(TimerSettings())
        self._running_since = 0
        self._present_ms: dict[Principal, int] = {}

    def receive(self, ctx: Context, command: Command) -> None:
        if not isinstance(command, TimerCommand):
            return
        before = self.timer
        if command.version is not None and command.version != before.version:
            raise Conflict(f"the timer is at version {before.version}, not {command.version}")
        cause = self.actions[type(command)]
        after = pomodoro.transition(before, cause, ctx.now)
        fields = stamp(ctx, self.room, command.nonce, ctx.authority.principal)
        ctx.persist(TimerUpdate(**fields, cause=cause, timer=after))
        self._account(before, ctx.now)

    def wake(self, ctx: Context, wake: Wake) -> None:
        before = self.timer
        finished = before.phase == "focus"
        if finished:
            self._settle(ctx.now)
        attendance = PhaseAttendance([Attendance(who, ms) for who, ms in self._present_ms.items()]) if finished else None
        after = pomodoro.phase_end(before, ctx.now, goes_on=self._goes_on(ctx))
        ctx.persist(TimerUpdate(**stamp(ctx, self.room, None, None), cause="phase_end", timer=after), private=attendance)
        self._account(before, ctx.now)

    def due(self) -> Deadline | None:
        timer = self.timer
        return None if timer.ends_at is None else Deadline(timer.ends_at, Wake(self.name, timer.version))

    def apply(self, event: DurablePush) -> None:
        if isinstance(event, TimerUpdate):
            self.timer = event.timer
        elif isinstance(event, RoomCreated):
            self.timer = pomodoro.fresh(event.timer)

    def departed(self, ctx: Context, member: Member) -> None:
        if self._counts(self.timer):
            self._credit(member, ctx.now)

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        return {"timer": self.timer}

    def dump(self) -> Timer:
        return self.timer

    def load(self, part: Raw) -> None:
        self.timer = msgspec.msgpack.decode(part, type=Timer)

    def _goes_on(self, ctx: Context) -> bool:
        if not self.timer.settings.auto_start or ctx.now < ctx.activated_at - MAX_CHAIN_MS:
            return False
        return len(self.room.roster) > 0 or ctx.now <= ctx.activated_at + GRACE_MS

    def _account(self, before: Timer, now: int) -> None:
        """Close the stretch that ran until now and open the next; a new phase counts from nothing."""
        after = self.timer
        if self._counts(before) and before.phase == after.phase and after.status == "paused":
            self._settle(now)
        elif before.status != "paused" or before.phase != after.phase or after.status != "running":
            self._present_ms = {}
        self._running_since = now

    def _settle(self, now: int) -> None:
        for member in self.room.roster:
            self._credit(member, now)
        self._running_since = now

    def _credit(self, member: Member, now: int) -> None:
        principal = member.person.principal
        stretch = now - max(member.since, self._running_since)
        if stretch > 0:
            self._present_ms[principal] = self._present_ms.get(principal, 0) + stretch

    @staticmethod
    def _counts(timer: Timer) -> bool:
        return timer.phase == "focus" and timer.status == "running"
