"""The journal as the engine sees it: fenced, atomic, idempotent appends.

Duties of every implementation (the real one and the kit's simulated one):

- *Order.* Commits of one stream settle in the order of `append`.
- *Atomicity.* All events, the snapshot, `next_due` and the rewrites of one commit
  become durable together or not at all.
- *Fence.* A commit is refused, for its slots alone, once another owner has claimed
  them with a higher epoch.
- *Density.* The first event of a commit has the offset after its stream's head.
- *Settling.* `settle` is called exactly once a commit, on the loop, and never with
  success before the commit is durable. An unknown outcome (connection lost within
  the call) is not an outcome: the batch stays at its lane's head and is sent again.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec import UNSET, Struct, UnsetType

__all__ = [
    "Commit",
    "Committed",
    "Conflicted",
    "Duplicate",
    "Failed",
    "Fenced",
    "Journal",
    "JournalEvent",
    "NewEvent",
    "Outcome",
    "Rewrite",
    "Settle",
    "StoredStream",
]


class NewEvent(Struct, frozen=True, gc=False):
    """An event to append.

    `at` is cluster time in ms. `dedup` is unique in its stream (DESIGN 4,
    "Idempotency"); only the first event of a command carries one. `payload` is the
    push's MessagePack bytes; `private` is never framed.
    """

    offset: int
    at: int
    dedup: str | None
    payload: bytes
    private: bytes | None = None


class JournalEvent(NamedTuple):
    """An event as it stands in the journal."""

    offset: int
    at: int
    dedup: str | None
    payload: bytes
    private: bytes | None


class Rewrite(Struct, frozen=True, gc=False):
    """Replaces the payload of an earlier event by its contentless form (DESIGN 4, "Deletion")."""

    offset: int
    payload: bytes


class Commit(Struct, frozen=True, gc=False):
    """What one command made durable.

    `head` is the offset of the last event of the stream once this is in. `snapshot`
    is of exactly that offset. `next_due` is the actor's earliest durable deadline in
    ms, None for none, UNSET where it did not change. `events` may be empty when only
    `snapshot` or `next_due` changed.
    """

    stream: str
    slot: int
    head: int
    events: tuple[NewEvent, ...]
    snapshot: bytes | None = None
    next_due: int | None | UnsetType = UNSET
    rewrites: tuple[Rewrite, ...] = ()


class Committed(Struct, frozen=True, gc=False):
    """Durable."""


class Duplicate(Struct, frozen=True):
    """Nothing of the commit was inserted: `dedup` is already taken by the event at `offset`."""

    dedup: str
    offset: int


class Fenced(Struct, frozen=True):
    """The slot has another owner. The activation must end."""

    epoch: int


class Conflicted(Struct, frozen=True):
    """The stream's head is not what the writer believed. The activation must reload."""

    head: int


class Failed(Struct, frozen=True):
    """The database refused this stream's statement, also when sent alone."""

    reason: str


Outcome = Committed | Duplicate | Fenced | Conflicted | Failed
Settle = Callable[[Outcome], None]


class StoredStream(Struct, frozen=True):
    """All that an activation is rebuilt from.

    `tail` holds the events after `snapshot_offset`, in order. `head` is 0 for a
    stream without events. `known` holds (dedup, offset) pairs asked for or recent.
    """

    head: int
    snapshot_offset: int
    snapshot: bytes | None
    next_due: int | None
    tail: Sequence[JournalEvent]
    recent_keys: Sequence[tuple[str, int]] = ()


class Journal(Protocol):
    """See the module's text for the duties."""

    @property
    def history(self) -> int:
        """The cluster's history number."""
        ...

    def accepts(self, slot: int, *, effect: bool = False) -> bool:
        """Whether the slot is open and its lane has room; False means answer RETRY before any change.

        An `effect` of another actor's event is taken however far projections are behind: it may be what they wait for.
        """
        ...

    def append(self, commit: Commit, settle: Settle) -> None:
        """Queue a commit; `settle` hears of it. Never blocks, never raises for a full lane.

        A commit to a slot that is not open settles as `Fenced`, behind the earlier ones of its stream.
        """
        ...

    async def load(self, stream: str, slot: int) -> StoredStream:
        """One query; waits while a batch of the slot has an unknown outcome.

        `recent_keys` are the last 1,024 dedup keys of the stream, oldest first.

        Raises:
            Unavailable: the database does not answer, or the slot is not open.
        """
        ...

    async def read(self, stream: str, after: int, limit: int) -> Sequence[JournalEvent]:
        """Committed events with offset > `after`, in order, at most `limit`.

        Raises:
            Unavailable: the database does not answer.
        """
        ...

    async def due(self, before: int, limit: int, slots: Sequence[int] | None = None) -> Sequence[tuple[str, int]]:
        """(stream, next_due) of actors of our slots due at or before `before`, oldest first.

        Only open slots are looked at: all of them, or those of `slots`.

        Raises:
            Unavailable: the database does not answer.
        """
        ...
