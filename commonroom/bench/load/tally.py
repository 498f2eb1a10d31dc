"""What one worker counted; workers' tallies add up to the run's."""

from typing import Self

from msgspec import Struct, field

from commonroom.bench.load.histogram import Histogram
from commonroom.bench.load.stream import Flaws

__all__ = ["Tally"]


class Tally(Struct):
    """Counts and durations. Serialisable."""

    sent: int = 0
    """Commands sent, retries not counted."""
    answered: int = 0
    """Commands answered: for a durable one that is its acknowledgement."""
    delivered: int = 0
    """Messages of the bench that reached a reader."""
    reads: int = 0
    """Reads in which they arrived."""
    reconnects: int = 0
    dropped: int = 0
    """Sockets that the server closed or that broke, and were not asked to."""
    refused: dict[str, int] = field(default_factory=dict)
    """Commands that were refused, by name of the error."""
    flaws: Flaws = field(default_factory=Flaws)
    durations: dict[str, Histogram] = field(default_factory=dict)
    """`answer`: intended moment to answer. `delivery`: to delivery, of the oldest message of each read. `own lag`: the
    generator's own lateness. Others as the scenario names them."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Counts of a scenario of its own; they add up."""

    def time(self, name: str) -> Histogram:
        """The histogram of that name."""
        found = self.durations.get(name)
        if found is None:
            found = self.durations[name] = Histogram()
        return found

    def count(self, name: str, number: float = 1) -> None:
        """Add to a number of the scenario's own."""
        self.numbers[name] = self.numbers.get(name, 0) + number

    def refuse(self, name: str) -> None:
        """Count a refusal."""
        self.refused[name] = self.refused.get(name, 0) + 1

    def add(self, other: "Tally") -> Self:
        """Take in another worker's."""
        for name in ("sent", "answered", "delivered", "reads", "reconnects", "dropped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for error, times in other.refused.items():
            self.refused[error] = self.refused.get(error, 0) + times
        self.flaws.add(other.flaws)
        for name, histogram in other.durations.items():
            self.time(name).add(histogram)
        for name, number in other.numbers.items():
            self.count(name, number)
        return self
