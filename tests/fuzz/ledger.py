"""What a run counts, and what went wrong in it."""

from collections import Counter

__all__ = ["Ledger"]


class Ledger:
    """Attributes:
    counts: of whatever was done.
    failures: in words; the first ones are kept, all are counted.
    """

    MOST_KEPT = 20

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def fail(self, text: str) -> None:
        self.counts["failures"] += 1
        if len(self.failures) < self.MOST_KEPT:
            self.failures.append(text)
