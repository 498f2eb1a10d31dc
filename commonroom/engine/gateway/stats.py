"""What the gateway counts, for metrics and tests."""

from collections import Counter
from typing import ClassVar

from commonroom.codes import CloseCode

__all__ = ["Stats"]


class Stats:
    """Counts since the start; `connections`, `sessions` and `subscriptions` are how many there are now."""

    __slots__ = (
        "bytes_out",
        "closes",
        "commands",
        "conflated",
        "connections",
        "deliveries",
        "drops",
        "pulls",
        "refusals",
        "repeats",
        "resyncs",
        "sessions",
        "stale_marks",
        "subscriptions",
        "widened",
        "widened_ms",
    )

    TOTALS: ClassVar = (
        "commands",
        "deliveries",
        "bytes_out",
        "drops",
        "repeats",
        "pulls",
        "conflated",
        "stale_marks",
        "resyncs",
        "slow_closes",
        "widened",
        "widened_ms",
    )
    """What only grows, one number each."""

    def __init__(self) -> None:
        self.connections = 0
        self.sessions = 0
        self.subscriptions = 0
        self.commands = 0
        """Commands received, valid or not."""
        self.deliveries = 0
        """Pushes written to a socket, one for each reader."""
        self.bytes_out = 0
        """Bytes of those."""
        self.drops = 0
        """Subscriptions that were voided: the client was told to join again."""
        self.repeats = 0
        """Durable pushes that had arrived already."""
        self.pulls = 0
        """Gaps between pushes that were read from the journal."""
        self.conflated = 0
        """Volatile pushes kept for a slow reader of which a newer one took the place."""
        self.stale_marks = 0
        """Times a subscription of a slow reader became stale: it missed a volatile push that nothing replaces."""
        self.resyncs = 0
        """Fresh volatile snapshots asked for a reader that was stale."""
        self.widened = 0
        """Flushes that waited because their room was over its fan-out budget."""
        self.widened_ms = 0.0
        """How long those waited, all together."""
        self.refusals: Counter[int] = Counter()
        """Handshakes refused, by HTTP status."""
        self.closes: Counter[int] = Counter()
        """Sockets ended, by close code; 1006 where there was no closing handshake."""

    @property
    def slow_closes(self) -> int:
        """Sockets closed because their reader owed too much or took nothing."""
        return self.closes[CloseCode.SLOW_READER]
