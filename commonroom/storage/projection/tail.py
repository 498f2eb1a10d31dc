"""The latest durable events of a slot, kept so that projections need not read back what was just written."""

from bisect import bisect_right
from collections.abc import Sequence

from commonroom.storage.projection.checkpoint import PendingEvent

__all__ = ["MAX_EVENTS", "Tail"]

MAX_EVENTS = 512
"""Events kept a slot; a projection that is further behind reads the journal."""


class Tail:
    """Invariant: holds every event of its slot beyond `since` and up to `head`, in order."""

    __slots__ = ("_events", "head", "since")

    def __init__(self, since: int) -> None:
        self.since = self.head = since
        self._events: list[PendingEvent] = []

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: PendingEvent) -> None:
        """The slot's next event became durable. The older half goes when there are too many."""
        self._events.append(event)
        self.head = event.slot_pos
        if len(self._events) > MAX_EVENTS:
            self.trim(self._events[MAX_EVENTS // 2].slot_pos)

    def after(self, position: int, limit: int) -> Sequence[PendingEvent] | None:
        """The next events beyond a position, at most `limit`; None where older ones are wanted than are kept."""
        if position < self.since:
            return None
        first = bisect_right(self._events, position, key=_position)
        return self._events[first : first + limit]

    def trim(self, upto: int) -> None:
        """Everybody has what is up to there."""
        if upto > self.since:
            del self._events[: bisect_right(self._events, upto, key=_position)]
            self.since = upto


def _position(event: PendingEvent) -> int:
    return event.slot_pos
