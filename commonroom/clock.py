"""The one home of time.

Everything else takes a `Clock`, so that actors and gateway run under virtual time.
Wall time is *cluster time*: the node's clock plus a slewed offset to PostgreSQL's
(DESIGN 3), in integer milliseconds since the Unix epoch.
"""

import time
from typing import NewType, Protocol

__all__ = ["Clock", "ClusterClock", "Millis", "cpu_s", "monotonic_s", "monotonic_us"]

Millis = NewType("Millis", int)
"""Milliseconds since the Unix epoch, cluster time."""

MAX_SLEW = 0.05
"""Share of elapsed time by which an offset may move: 50 ms a second, so time never runs backwards."""


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


class ClusterClock:
    """The node's clock plus a slewed offset to PostgreSQL's.

    `observe` sets the target offset; `now` moves towards it by at most `MAX_SLEW`
    of the time that passed, so that deadlines neither jump nor run backwards.
    The first observation is taken whole, before anything was scheduled.
    """

    def __init__(self) -> None:
        self._offset_ms = 0.0
        self._target_ms: float | None = None
        self._slewed_at = time.monotonic()
        self._last = 0

    def observe(self, database_ms: float, local_ms: float) -> None:
        """Take one comparison: PostgreSQL's clock and ours at the same moment."""
        target = database_ms - local_ms
        if self._target_ms is None:
            self._offset_ms = target
        self._target_ms = target

    def local_ms(self) -> float:
        """This machine's own clock, for `observe`."""
        return time.time() * 1000.0

    @property
    def offset_ms(self) -> float:
        """The offset in use now, for metrics and `doctor`."""
        return self._offset_ms

    def now(self) -> Millis:
        self._slew()
        self._last = max(self._last, int(time.time() * 1000.0 + self._offset_ms))
        return Millis(self._last)

    def _slew(self) -> None:
        if self._target_ms is None or self._target_ms == self._offset_ms:
            return
        tick = time.monotonic()
        step = (tick - self._slewed_at) * 1000.0 * MAX_SLEW
        self._slewed_at = tick
        gap = self._target_ms - self._offset_ms
        self._offset_ms += max(-step, min(step, gap))
