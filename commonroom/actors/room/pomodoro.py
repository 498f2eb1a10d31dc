"""The timer's transitions as pure functions: Timer in, Timer out.

    idle ──start──► running ──pause──► paused
                      ▲  └──phase end──┐  │
                      └────resume──────┼──┘
    any ──skip──► the next phase, running if it was running
    any ──reset─► idle, first focus phase

A phase's end leads to the next phase, running where it starts by itself, else idle.
A running or paused phase is *extended*: it is longer from then on, and nothing else
changes. *Configured*, a phase that has begun keeps its length, an idle one takes the
new one.
"""

from collections.abc import Callable

from msgspec.structs import replace

from commonroom.errors import Conflict, LimitExceeded
from commonroom.protocol.timer import MAX_PHASE_MS, Phase, Timer, TimerSettings

__all__ = ["ACTIONS", "configure", "extend", "fresh", "length_ms", "phase_end", "remaining_ms", "transition"]

Transition = Callable[[Timer, int], Timer]


def fresh(settings: TimerSettings) -> Timer:
    """The timer of a new room: idle, version 0."""
    return Timer(0, "idle", "focus", settings.focus_ms, None, 0, settings, settings.focus_ms)


def length_ms(settings: TimerSettings, phase: Phase) -> int:
    """The whole length of a phase that nobody has extended."""
    return {"focus": settings.focus_ms, "short_break": settings.short_break_ms, "long_break": settings.long_break_ms}[phase]


def remaining_ms(timer: Timer, now: int) -> int:
    """What is left of the phase at `now`: from 0 to what was left when it began to run, also by the clock of an owner that is behind."""
    left = timer.remaining_ms
    return left if timer.ends_at is None else min(left, max(0, timer.ends_at - now))


def transition(timer: Timer, action: str, now: int) -> Timer:
    """The timer after a person's action, one version on.

    Raises:
        Conflict: the action does not fit the timer's status.
    """
    step = ACTIONS.get((timer.status, action))
    if step is None:
        raise Conflict(f"cannot {action} a timer that is {timer.status}")
    return replace(step(timer, now), version=timer.version + 1)


def extend(timer: Timer, by_ms: int) -> Timer:
    """The timer with a longer phase, one version on.

    Raises:
        Conflict: no phase has begun.
        LimitExceeded: the phase would last longer than `MAX_PHASE_MS` in all.
    """
    if timer.status == "idle":
        raise Conflict("cannot extend a timer that is idle")
    length = timer.length_ms + by_ms
    if length > MAX_PHASE_MS:
        raise LimitExceeded(f"a phase lasts {MAX_PHASE_MS // 3_600_000} hours at most")
    ends_at = None if timer.ends_at is None else timer.ends_at + by_ms
    return replace(timer, version=timer.version + 1, remaining_ms=timer.remaining_ms + by_ms, ends_at=ends_at, length_ms=length)


def configure(timer: Timer, settings: TimerSettings) -> Timer:
    """The timer with other settings, one version on."""
    configured = replace(timer, version=timer.version + 1, settings=settings)
    return _phase(configured, timer.phase) if timer.status == "idle" else configured


def phase_end(timer: Timer, at: int, *, goes_on: bool) -> Timer:
    """The timer after its phase ended at `at`; the next one starts where `goes_on`."""
    done = timer.focus_done + (timer.phase == "focus")
    after: Phase = "focus"
    if timer.phase == "focus":
        after = "short_break" if done % timer.settings.long_every else "long_break"
    ended = _phase(replace(timer, version=timer.version + 1, focus_done=done), after)
    return _run(ended, at) if goes_on else ended


def _phase(timer: Timer, phase: Phase) -> Timer:
    length = length_ms(timer.settings, phase)
    return replace(timer, status="idle", phase=phase, remaining_ms=length, ends_at=None, length_ms=length)


def _run(timer: Timer, now: int) -> Timer:
    return replace(timer, status="running", ends_at=now + timer.remaining_ms)


def _pause(timer: Timer, now: int) -> Timer:
    return replace(timer, status="paused", remaining_ms=remaining_ms(timer, now), ends_at=None)


def _skip(timer: Timer, now: int) -> Timer:
    # A skipped focus phase does not count, so it never earns the long break.
    skipped = _phase(timer, "short_break" if timer.phase == "focus" else "focus")
    return _run(skipped, now) if timer.status == "running" else skipped


def _reset(timer: Timer, _now: int) -> Timer:
    return _phase(replace(timer, focus_done=0), "focus")


ACTIONS: dict[tuple[str, str], Transition] = {
    ("idle", "start"): _run,
    ("running", "pause"): _pause,
    ("paused", "resume"): _run,
    ("idle", "skip"): _skip,
    ("running", "skip"): _skip,
    ("paused", "skip"): _skip,
    ("idle", "reset"): _reset,
    ("running", "reset"): _reset,
    ("paused", "reset"): _reset,
}
