"""The shared timer. Transitions only: a running timer sends nothing (FEATURES P12-P14)."""

from typing import Annotated, Final, Literal, Self

from msgspec import Meta, Struct

from commonroom.identity import Principal
from commonroom.protocol.wire import Command, Count, DurablePush, Millis, Nonce, RoomId

__all__ = [
    "MAX_PHASE_MS",
    "Phase",
    "Timer",
    "TimerCause",
    "TimerConfigure",
    "TimerExtend",
    "TimerPause",
    "TimerPolicy",
    "TimerReset",
    "TimerResume",
    "TimerSettings",
    "TimerSkip",
    "TimerStart",
    "TimerUpdate",
]

Phase = Literal["focus", "short_break", "long_break"]
TimerStatus = Literal["idle", "running", "paused"]
TimerCause = Literal["start", "pause", "resume", "skip", "reset", "phase_end", "extend", "configure"]
TimerPolicy = Literal["host", "cohosts", "everyone"]
"""Who works the timer: the host alone, co-hosts as well, everybody in the room."""

MAX_PHASE_MS: Final = 4 * 3600 * 1000
PhaseMillis = Annotated[int, Meta(ge=1_000, le=MAX_PHASE_MS)]


class TimerSettings(Struct, frozen=True, array_like=True, gc=False):
    """Lengths in milliseconds, 1 s to 4 h; a long break after `long_every` focus phases.

    `auto_start` starts the next phase by itself while somebody is present.
    """

    focus_ms: PhaseMillis = 25 * 60 * 1000
    short_break_ms: PhaseMillis = 5 * 60 * 1000
    long_break_ms: PhaseMillis = 15 * 60 * 1000
    long_every: Annotated[int, Meta(ge=1, le=12)] = 4
    auto_start: bool = True


class Timer(Struct, frozen=True, array_like=True, gc=False):
    """The timer at one version.

    idle: `remaining_ms` is the phase's whole length. paused: what is left.
    running: `ends_at` is the moment the phase ends, what is left is `ends_at` minus
    server time. `focus_done` counts finished focus phases since the last reset.
    `length_ms` is the whole length of this phase with all it was extended by; 0, in
    events from before phases could be extended: what the settings say.
    """

    version: Count
    status: TimerStatus
    phase: Phase
    remaining_ms: Millis
    ends_at: Millis | None
    focus_done: Count
    settings: TimerSettings
    length_ms: Millis = 0


class TimerCommand(Command, frozen=True):
    """`version` is what the sender saw: refused with CONFLICT when it moved on; None: whatever it is."""

    room: RoomId
    nonce: Nonce
    version: Count | None = None


class TimerStart(TimerCommand, frozen=True, tag=24):
    """idle to running."""


class TimerPause(TimerCommand, frozen=True, tag=25):
    """running to paused."""


class TimerResume(TimerCommand, frozen=True, tag=26):
    """paused to running."""


class TimerSkip(TimerCommand, frozen=True, tag=27):
    """To the next phase; runs on if it was running. A skipped focus phase does not count."""


class TimerReset(TimerCommand, frozen=True, tag=28):
    """To an idle focus phase, count 0."""


class TimerExtend(TimerCommand, frozen=True, tag=29):
    """Make the running or paused phase longer, 1 to 30 minutes at a time, 4 h in all."""

    by_ms: Annotated[int, Meta(ge=60_000, le=30 * 60 * 1000)] = 5 * 60 * 1000


class TimerConfigure(TimerCommand, frozen=True, tag=30):
    """Other lengths from the next phase on; a phase that has not begun takes them at once."""

    settings: TimerSettings = TimerSettings()


class TimerUpdate(DurablePush, frozen=True, tag=96):
    """The timer moved to a new version.

    `at` is the moment it takes effect, for a phase's end the due time.
    """

    cause: TimerCause
    timer: Timer

    def without(self, hidden: frozenset[Principal]) -> Self:
        return self.unsigned(hidden)
