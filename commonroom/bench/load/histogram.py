"""Durations in fixed buckets, so that runs and processes can be added up.

Log-linear as in HdrHistogram: exact below 64 µs, then 32 buckets for each doubling, which
is an error of at most 3 %. Nothing is sampled and nothing is forgotten.
"""

from typing import Self

from msgspec import Struct, field

__all__ = ["Histogram"]

STEPS = 32
"""Buckets of one doubling."""


class Histogram(Struct):
    """Counts of microseconds by bucket. Serialisable, mergeable."""

    counts: dict[int, int] = field(default_factory=dict)
    total_us: int = 0
    count: int = 0
    max_us: int = 0

    def record(self, us: int, times: int = 1) -> None:
        """Add a duration; one below zero (two clocks) counts as zero."""
        us = max(us, 0)
        shift = max(us.bit_length() - 6, 0)
        bucket = shift * STEPS + (us >> shift)
        self.counts[bucket] = self.counts.get(bucket, 0) + times
        self.total_us += us * times
        self.count += times
        self.max_us = max(self.max_us, us)

    def add(self, other: "Histogram") -> Self:
        """Take in another one's counts."""
        for bucket, times in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + times
        self.total_us += other.total_us
        self.count += other.count
        self.max_us = max(self.max_us, other.max_us)
        return self

    @property
    def mean_us(self) -> float:
        """The mean; 0 where there is nothing."""
        return self.total_us / self.count if self.count else 0.0

    def quantile_us(self, share: float) -> int:
        """The upper edge of the bucket in which the share (0 to 1) is reached; 0 where there is nothing."""
        left = share * self.count
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return min(_upper_us(bucket), self.max_us)
        return self.max_us


def _upper_us(bucket: int) -> int:
    shift = max(bucket // STEPS - 1, 0)
    return ((bucket - shift * STEPS + 1) << shift) - 1
