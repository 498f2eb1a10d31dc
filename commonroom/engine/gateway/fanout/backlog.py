"""What one subscription off the shared path has not written yet.

Three places, all counted towards the reader's hard limit (`outbox_bytes`):

- the *queue*: pushes in the order in which they leave.
- *newest*: over the soft limit (the outbox is congested, or more than `write_high_bytes` wait
  here) a volatile push with a conflation key takes the place of the last one of that key. They
  follow the queue.
- *held*: while the room is asked for a fresh snapshot, volatile pushes wait behind it.

Over the soft limit a volatile push without a key (a delta) is dropped, and so is one whose key
would be one too many: the backlog is *stale* until the next `hold`. What was dropped before
the room is asked is in its answer.

Invariant: volatile pushes of a room never overtake each other, whatever their keys. So while
anything stands in *newest* or was dropped, later ones are reduced too, congested or not.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from commonroom.config.settings import GatewaySettings
from commonroom.engine.envelope import Publication
from commonroom.engine.gateway.outbox import Outbox
from commonroom.engine.gateway.stats import Stats
from commonroom.identity import Principal

__all__ = ["CHUNK_BYTES", "MAX_KEYS", "Backlog"]

CHUNK_BYTES: Final = 32 * 1024
"""Written at once: half of what congests an outbox by default."""

MAX_KEYS: Final = 256
"""Conflation keys kept for one subscription. Clients choose keys (`cast.send`), so there must be a
bound; half of a full room may be typing below it, in about 25 KB."""


class Backlog:
    """Publications for one reader of one room.

    Args:
        outbox: the reader's, where the bytes kept here are counted.
        principal: a volatile push this one must not see is not kept; a durable one becomes a skip later.
    """

    __slots__ = ("_bytes", "_counted", "_held", "_newest", "_outbox", "_queue", "_replayed", "_soft_bytes", "_stats", "principal", "stale")

    def __init__(self, outbox: Outbox, principal: Principal, settings: GatewaySettings, stats: Stats) -> None:
        self.stale = False
        """Whether a volatile push was dropped and the room has not been asked for a snapshot since."""
        self._outbox = outbox
        self.principal = principal
        self._soft_bytes = settings.write_high_bytes
        self._stats = stats
        self._queue: deque[Publication] = deque()
        self._replayed = 0  # so many at the queue's head came from `replay`
        self._newest: dict[str, Publication] = {}
        self._held: deque[Publication] | None = None
        self._bytes = 0
        self._counted = 0  # what the outbox knows of `_bytes`

    def __len__(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    @property
    def next_offset(self) -> int:
        """The offset of the queue's first, which must exist; 0: it is volatile."""
        return self._queue[0].offset

    # In.

    def take(self, publications: Iterable[Publication]) -> None:
        """Keep what the room sends. May end the reader, who owes too much."""
        for publication in publications:
            if publication.offset:
                self._append(self._queue, publication)
            elif publication.audience is None or publication.audience.admits(self.principal):
                self._take_volatile(publication)
        self._count()

    def replay(self, events: Iterable[Publication]) -> None:
        """Put older events, given in order, before the queue.

        They do not count: the ring has them anyway, the journal's come a hundred at a time,
        and a reader who comes back to a hundred rooms is not slow.
        """
        length = len(self._queue)
        self._queue.extendleft(reversed(tuple(events)))
        self._replayed += len(self._queue) - length

    def hold(self) -> None:
        """The room is asked for a snapshot: nothing is stale any more, what is volatile waits behind it."""
        self.stale = False
        self._held = deque()

    # Out.

    def chunk(self, position: int) -> list[Publication]:
        """Take from the queue what may follow the durable `position`, without a hole, for one write."""
        chunk: list[Publication] = []
        size = 0
        while self._queue and size < CHUNK_BYTES and self._queue[0].offset <= position + 1:
            publication = self._pop()
            if publication.offset:
                if publication.offset <= position:
                    continue
                position = publication.offset
            chunk.append(publication)
            size += len(publication.payload)
        self._count()
        return chunk

    def release_newest(self) -> bool:
        """Queue the newest of each key, the latest last; False: there are none."""
        self._queue.extend(self._newest.values())
        released = bool(self._newest)
        self._newest.clear()
        return released

    def release_held(self) -> None:
        """The snapshot is written: queue what waited behind it."""
        self._queue.extend(self._held or ())
        self._held = None

    def give_up_held(self) -> None:
        """The snapshot will not do, or will not come: stale, and what waited for it is reduced."""
        held, self._held = self._held or (), None
        self._mark_stale()
        for publication in held:
            self._bytes -= len(publication.payload)
            self._reduce(publication)
        self._count()

    def clear(self) -> None:
        """Nothing of this is owed any more."""
        self._queue.clear()
        self._newest.clear()
        self._held = None
        self._bytes = 0
        self._count()

    # Volatile pushes.

    def _take_volatile(self, publication: Publication) -> None:
        if self.stale or self._newest or self._outbox.congested or self._bytes > self._soft_bytes:
            if self._held is not None:
                self.give_up_held()
            self._reduce(publication)
        else:
            self._append(self._queue if self._held is None else self._held, publication)

    def _reduce(self, publication: Publication) -> None:
        key = publication.conflate
        if key is None or (key not in self._newest and len(self._newest) >= MAX_KEYS):
            self._outbox.tally.dropped += 1
            self._mark_stale()
            return
        replaced = self._newest.pop(key, None)
        if replaced is not None:
            self._stats.conflated += 1
            self._outbox.tally.dropped += 1
            self._bytes -= len(replaced.payload)
        self._newest[key] = publication
        self._bytes += len(publication.payload)

    def _mark_stale(self) -> None:
        if not self.stale:
            self.stale = True
            self._stats.stale_marks += 1

    # Counting.

    def _append(self, place: deque[Publication], publication: Publication) -> None:
        place.append(publication)
        self._bytes += len(publication.payload)

    def _pop(self) -> Publication:
        publication = self._queue.popleft()
        if self._replayed:
            self._replayed -= 1
        else:
            self._bytes -= len(publication.payload)
        return publication

    def _count(self) -> None:
        grown, self._counted = self._bytes - self._counted, self._bytes
        self._outbox.keep(grown)
