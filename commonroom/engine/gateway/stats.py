"""What the gateway counts, for metrics and tests."""

from collections import Counter

__all__ = ["Stats"]


class Stats:
    """Counts since the start; `connections`, `sessions` and `subscriptions` are how many there are now."""

    __slots__ = (
        "bytes_out",
        "closes",
        "commands",
        "connections",
        "deliveries",
        "drops",
        "pulls",
        "refusals",
        "repeats",
        "sessions",
        "subscriptions",
    )

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
        self.refusals: Counter[int] = Counter()
        """Handshakes refused, by HTTP status."""
        self.closes: Counter[int] = Counter()
        """Sockets ended, by close code; 1006 where there was no closing handshake."""
