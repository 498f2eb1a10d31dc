"""GCRA, the generic cell rate algorithm (ITU-T I.371, annex A): a rate with a burst, remembered as one number a key.

That number is the *theoretical arrival time* (TAT): when everything granted so far would be
paid for at the steady rate. Each grant moves it on by one interval, and one is refused that
would move it further ahead of now than the burst allows.

    burst 3, interval 1 s     granted at 0, 0, 0: TAT = 3
                              at 0.5: TAT would be 3.5 ahead, over 3: refused, wait 0.5 s, TAT stays
                              at 1.0: granted, TAT = 4

What is refused moves nothing: whoever tries on and on waits no longer for it. Unless the rate
has a `longest_us`: then each refusal doubles the wait, up to that (FEATURES P11), by moving the TAT
further ahead than grants could. A TAT that has passed is the same as none, so memory of it
may go. `lua/limit.lua` decides the same way on Redis. Times are whole microseconds of any
clock that does not run backwards.
"""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Rate", "take"]


class Rate(NamedTuple):
    """One grant an `interval_us` in the long run, `burst` of them at once. Over any time t at most burst + t / interval.

    `longest_us`: a refusal doubles the wait, up to this, an interval or more; 0: it changes nothing.
    """

    interval_us: int
    burst: int
    longest_us: int = 0

    @property
    def span_us(self) -> int:
        """How far ahead of now grants alone bring a TAT."""
        return self.burst * self.interval_us

    def wait_us(self, tat_us: int, now_us: int) -> int:
        """How long until one is granted; 0 or less: it is now.

        A TAT further ahead than this rate brings any was made by another rate or another clock; it counts as the furthest.
        """
        interval_us, burst, longest_us = self
        ahead_us = tat_us - now_us
        if ahead_us <= 0:
            return interval_us - burst * interval_us
        wait_us = ahead_us + interval_us - burst * interval_us
        most_us = longest_us or interval_us
        return most_us if wait_us > most_us else wait_us

    def after(self, tat_us: int, now_us: int) -> int:
        """The TAT once another was granted."""
        return (tat_us if tat_us > now_us else now_us) + self.interval_us

    def refused(self, tat_us: int, now_us: int) -> int:
        """The TAT once another was refused."""
        wait_us = self.wait_us(tat_us, now_us)
        if not self.longest_us or wait_us <= 0:
            return tat_us
        return now_us + min(2 * wait_us, self.longest_us) + self.span_us - self.interval_us

    def remaining(self, tat_us: int, now_us: int) -> int:
        """How many would be granted at once."""
        ahead_us = max(tat_us - now_us, 0)
        return max(self.span_us - ahead_us, 0) // self.interval_us


def take(cells: Sequence[tuple[Rate, int]], now_us: int) -> tuple[int, list[int]]:
    """Ask for one of each, all or nothing: this module's own statement of what table and script do.

    Args:
        cells: rates, each with the TAT of its key.

    Returns:
        0 and the new TATs; or how long to wait (for the slowest, from now on) and the TATs as the refusal leaves them.
    """
    if any(rate.wait_us(tat, now_us) > 0 for rate, tat in cells):
        tats = [rate.refused(tat, now_us) for rate, tat in cells]
        return max(rate.wait_us(tat, now_us) for (rate, _), tat in zip(cells, tats, strict=True)), tats
    return 0, [rate.after(tat, now_us) for rate, tat in cells]
