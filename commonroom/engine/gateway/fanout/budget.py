"""How many socket writes a second one room may cause: its fan-out budget.

A token bucket, reckoned backwards as in GCRA (ITU-T I.371): instead of tokens that trickle in,
the moment up to which all writes so far are paid for. A room inside its budget flushes at
once; beyond, its next flush waits until the debt is back at the burst, so that writes come at
the rate of the budget, each with more in it. Nothing is dropped.

A room that says that its load is too much for all nodes together (`room.load`) is *wide*: its
flushes keep `max_delay_s` apart whatever they cost here.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["BURST_S", "UNWAITED", "Budget"]

UNWAITED: Final = 63
"""Flushes at once after a wait that gathered nothing: with one publisher in a closed loop the wait costs 2 % then."""

BURST_S: Final = 0.05
"""So many seconds' worth of writes may come at once before a flush waits."""


class Budget:
    """The writes of one room.

    Args:
        writes_per_s: the rate, at least 1.
        max_delay_s: the longest wait, 0 to never wait. What a wait of this length does not pay is
            forgiven: a room is back to immediate flushes `max_delay_s` after it is calm.
        monotonic: seconds of an arbitrary origin.
    """

    __slots__ = ("_max_delay_s", "_monotonic", "_paid_s", "_price_s", "_spent_s", "_unwaited", "_waited", "_wide", "tight")

    def __init__(self, writes_per_s: float, max_delay_s: float, monotonic: Callable[[], float]) -> None:
        self._price_s = 1 / writes_per_s
        self._max_delay_s = max_delay_s
        self._monotonic = monotonic
        self._paid_s = 0.0
        self._spent_s = 0.0
        self._wide = False
        self._waited = False
        self._unwaited = 0
        self.tight = False
        """Whether the last flush went over the burst, or all are wide. If not, the next one need not ask how long to wait."""

    def widen(self, wide: bool) -> None:
        """Keep flushes apart from now on, or no longer."""
        self._wide = wide
        self.tight = self.tight or wide

    def spend(self, writes: int, pushes: int) -> None:
        """Account for a flush of so many pushes to each reader. Cost: one look at the clock."""
        if self._waited:
            self._unwaited = UNWAITED if pushes == 1 else 0
            self._waited = False
        now_s, paid_s = self._monotonic(), self._paid_s
        paid_s = (paid_s if paid_s > now_s else now_s) + writes * self._price_s
        self._spent_s = now_s
        self.tight = self._wide or paid_s > now_s + BURST_S
        self._paid_s = min(paid_s, now_s + BURST_S + self._max_delay_s) if self.tight else paid_s

    def wait_s(self) -> float:
        """How long the next flush must wait, 0 to `max_delay_s`. Asked once a flush."""
        if not self.tight:
            return 0.0
        if self._unwaited:
            self._unwaited -= 1
            return 0.0
        next_s = self._spent_s + self._max_delay_s if self._wide else self._paid_s - BURST_S
        wait_s = max(0.0, next_s - self._monotonic())
        self._waited = wait_s > 0
        return wait_s
