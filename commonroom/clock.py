"""The one home of time.

Everything else takes a `Clock`, so that actors and gateway run under virtual time.
Wall time is *cluster time*: the node's clock plus a slewed offset to PostgreSQL's
(DESIGN 3), in integer milliseconds since the Unix epoch.
"""

import time
from datetime import UTC, datetime
from typing import NewType, Protocol

__all__ = ["Clock", "ClusterClock", "Millis", "cpu_s", "monotonic_s", "monotonic_us", "until_text"]

Millis = NewType("Millis", int)
"""Milliseconds since the Unix epoch, cluster time."""

MAX_SLEW = 0.05
"""Share of elapsed time by which an offset may move: 50 ms a second, so time never runs backwards."""

STEP_MS = 2000
"""Clocks do not drift by this much between two comparisons."""


class Clock(Protocol):
    """A source of cluster time."""

    def now(self) -> Millis:
        """Cluster time; never runs backwards within a process."""
        ...


def monotonic_s() -> float:
    """Seconds of an arbitrary origin, for measuring durations only."""
    return time.monotonic()


def monotonic_us() -> int:
    """Microseconds of the same origin as `monotonic_s`, which all processes of a machine share."""
    return time.monotonic_ns() // 1000


def cpu_s() -> float:
    """CPU seconds this process has used, user and system."""
    return time.process_time()


def until_text(until: int | None) -> str:
    """The end of a sentence about what ends then, cluster ms: " until 2026-11-21 20:15 UTC"; empty: it has no end."""
    return f" until {datetime.fromtimestamp(until / 1000, UTC):%Y-%m-%d %H:%M} UTC" if until else ""


class ClusterClock:
    """The node's clock plus a slewed offset to PostgreSQL's.

    The node's wall clock is read once, at the start; from then on time is what the
    monotonic clock counts, so that a step of the wall clock moves nothing. `observe`
    sets the target offset; `now` moves towards it by at most `MAX_SLEW` of the time that
    passed. Only a gap forward of more than `STEP_MS` is taken at once (a machine that
    slept: its monotonic clock stood still), and so is the first observation, before
    anything was scheduled.
    """

    def __init__(self) -> None:
        self._origin_ms = (time.time() - time.monotonic()) * 1000.0
        self._offset_ms = 0.0
        self._target_ms = 0.0
        self.observed = False
        """Whether there was a comparison yet."""
        self._slewed_at = time.monotonic()
        self._last = 0

    def observe(self, database_ms: float, local_ms: float) -> None:
        """Take one comparison: PostgreSQL's clock and ours at the same moment."""
        if self.observed:
            self.now()  # what has passed until now is slewed towards the old target
        target = database_ms - local_ms
        if not self.observed or target - self._offset_ms > STEP_MS:
            self._offset_ms = target
        self._target_ms, self.observed = target, True

    def local_ms(self) -> float:
        """This node's own time, for `observe`."""
        return self._origin_ms + time.monotonic() * 1000.0

    @property
    def offset_ms(self) -> float:
        """The offset in use now, for metrics and `doctor`."""
        return self._offset_ms

    def now(self) -> Millis:
        tick = time.monotonic()
        if self._target_ms == self._offset_ms:
            self._slewed_at = tick
        else:
            self._slew(tick)
        now = int(self._origin_ms + tick * 1000.0 + self._offset_ms)
        self._last = max(self._last, now)
        return Millis(self._last)

    def _slew(self, tick: float) -> None:
        step = (tick - self._slewed_at) * 1000.0 * MAX_SLEW
        self._slewed_at = tick
        gap = self._target_ms - self._offset_ms
        self._offset_ms += max(-step, min(step, gap))
