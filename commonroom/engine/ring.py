"""The latest durable pushes of one stream, for resume without a database."""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from msgspec import structs

from commonroom.engine.actor import Facts
from commonroom.engine.envelope import Publication
from commonroom.protocol.codec import encode_event
from commonroom.protocol.wire import DurablePush

__all__ = ["Ring"]


class Ring:
    """Publications of dense offsets up to the head.

    Invariant: what it holds is contiguous and ends at the head. An uncommitted
    publication is never dropped, so under a slow journal it holds more than `size`.

    Args:
        size: most committed publications held.
        head: the stream's last offset now; the ring holds none of those before.
    """

    __slots__ = ("_held", "_size", "committed", "head")

    def __init__(self, size: int, head: int = 0) -> None:
        self._size = size
        self._held: deque[Publication] | None = None
        self.head = head
        self.committed = head

    def __len__(self) -> int:
        return len(self._held) if self._held else 0

    @property
    def first(self) -> int:
        """The lowest offset held; head + 1 when empty."""
        return self.head - len(self) + 1

    def append(self, publication: Publication) -> None:
        """Take the publication of offset head + 1, not committed yet."""
        if publication.offset != self.head + 1:
            raise ValueError(f"offset {publication.offset} does not follow head {self.head}")
        if self._held is None:
            self._held = deque()
        self._held.append(publication)
        self.head = publication.offset

    def commit(self, head: int) -> None:
        """All up to `head` is durable; drop what is over the size."""
        self.committed = head
        held = self._held
        if held is None:
            return
        over = min(len(held) - self._size, len(held) - (self.head - head))
        for _ in range(over):
            held.popleft()

    def rewrite(self, event: DurablePush) -> None:
        """Put the contentless form in the place of an earlier event, if it is held."""
        at = event.offset - self.first
        if self._held is None or not 0 <= at < len(self._held):
            return
        self._held[at] = structs.replace(self._held[at], message=event, payload=encode_event(event))

    def after(self, offset: int) -> tuple[tuple[Publication, ...], tuple[int, int] | None]:
        """What follows `offset` (0 to head): the publications held, and the range (first, last) that is not."""
        missing = (offset + 1, self.first - 1) if offset + 1 < self.first else None
        return tuple(self._since(offset)), missing

    def naming(self, message: int, after: int) -> Facts | None:
        """Events beyond `after` that name `message`; None when the ring does not reach back so far."""
        if after + 1 < self.first:
            return None
        named = [one for one in self._since(after) if getattr(one.message, "message", None) == message]
        events = tuple(one.message for one in named if isinstance(one.message, DurablePush))
        return Facts(events, frozenset(one.offset for one in named if one.audience is not None))

    def _since(self, offset: int) -> Iterable[Publication]:
        return islice(self._held, max(0, offset + 1 - self.first), None) if self._held else ()
