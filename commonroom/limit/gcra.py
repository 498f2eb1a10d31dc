"""GCRA, the generic cell rate algorithm (ITU-T I.371, annex A): a rate with a burst, remembered as one number a key.

That number is the *theoretical arrival time* (TAT): when everything granted so far would be
paid for at the steady rate. Each grant moves it on by one interval, and one is refused that
would move it further ahead of now than the burst allows.

    burst 3, interval 1 s     granted at 0, 0, 0: TAT = 3
                              at 0.5: TAT would be 3.5 ahead, over 3: refused, wait 0.5 s, TAT stays
                              at 1.0: granted, TAT = 4

What is refused moves nothing: whoever tries on and on waits no longer for it. A TAT that has
passed is the same as none, so memory of it may go. `lua/limit.lua` decides the same way on Redis.
Times are whole microseconds of any clock that does not run backwards.
"""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Rate", "take"]


class Rate(NamedTuple):
    """One grant an `interval_us` in the long run, `burst` of them at once. Over any time t at most burst + t / interval."""

    interval_us: int
    burst: int

    @property
    def span_us(self) -> int:
        """How far a TAT may be ahead of now."""
        return self.burst * self.interval_us

    def wait_us(self, tat_us: int, now_us: int) -> int:
        """How long until one is granted; 0 or less: it is now.

        A TAT further ahead than the span was made by another rate or another clock; it counts as the span.
        """
        interval_us, burst = self
        ahead_us = tat_us - now_us
        if ahead_us <= 0:
            return interval_us - burst * interval_us
        span_us = burst * interval_us
        return interval_us if ahead_us > span_us else ahead_us + interval_us - span_us

    def after(self, tat_us: int, now_us: int) -> int:
        """The TAT once another was granted."""
        return (tat_us if tat_us > now_us else now_us) + self.interval_us

    def remaining(self, tat_us: int, now_us: int) -> int:
        """How many would be granted at once."""
        ahead_us = max(tat_us - now_us, 0)
        return max(self.span_us - ahead_us, 0) // self.interval_us


def take(cells: Sequence[tuple[Rate, int]], now_us: int) -> tuple[int, list[int]]:
    """Ask for one of each, all or nothing: this module's own statement of what table and script do.

    Args:
        cells: rates, each with the TAT of its key.

    Returns:
        0 and the new TATs, or how long to wait (for the slowest) and the TATs as they were.
    """
    wait_us = max((rate.wait_us(tat, now_us) for rate, tat in cells), default=0)
    if wait_us > 0:
        return wait_us, [tat for _, tat in cells]
    return 0, [rate.after(tat, now_us) for rate, tat in cells]
