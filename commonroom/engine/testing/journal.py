"""A journal in memory that keeps every duty of the port, and fails on command.

One lane, as the real one: a call in flight, the rest queued, everything queued goes
with the next call. Its faults are what a real database does: the connection is lost
before the commit, or after it (the reply is lost, the batch is sent again and found
there), a statement is refused, another owner claims a slot, the server stops for a
while, this process crashes with a call in flight.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from msgspec import UNSET

from commonroom.errors import Unavailable
from commonroom.ids import Random
from commonroom.storage.journal.port import (
    Commit,
    Committed,
    Conflicted,
    Duplicate,
    Failed,
    Fenced,
    JournalEvent,
    Outcome,
    Settle,
    StoredStream,
)
from commonroom.storage.slot_table import SlotOwner
from commonroom.tasks import pause

__all__ = ["Faults", "SimulatedJournal", "Store", "Stream", "Wire"]

T = TypeVar("T")

RECENT_KEYS = 1024
BATCH_ROWS = 500


@dataclass(frozen=True)
class Faults:
    """Probabilities of a fault a call, 0 to 1, and the delay of a call in seconds."""

    before_commit: float = 0.0
    after_commit: float = 0.0
    refused: float = 0.0
    load: float = 0.0
    delay_s: tuple[float, float] = (0.0005, 0.003)
    reconnect_s: float = 0.2


@dataclass
class Stream:
    """What is durable of one stream."""

    slot: int
    events: list[JournalEvent] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    snapshot: bytes | None = None
    snapshot_offset: int = 0
    next_due: int | None = None

    @property
    def head(self) -> int:
        return len(self.events)


@dataclass
class Store:
    """The durable truth: streams, and the epoch at which each slot may be written. Several journals may share it.

    `breaches` are commits that came behind the load of a later epoch's owner: it does not
    know them (I1). There must be none.
    """

    streams: dict[str, Stream] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    owners: dict[int, str | None] = field(default_factory=dict)
    loaded: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    _rows: list[SlotOwner] | None = None

    def rows(self) -> list[SlotOwner]:
        """The slot table as it is now."""
        if self._rows is None:
            self._rows = [SlotOwner(slot, epoch, self.owners.get(slot)) for slot, epoch in self.epochs.items()]
        return self._rows

    def move(self, slots: Mapping[int, int], owner: str | None) -> dict[int, int]:
        """Compare and set; see `SlotTable.move`."""
        moved = {slot: epoch + 1 for slot, epoch in slots.items() if self.epochs.get(slot, 0) == epoch}
        self.epochs.update(moved)
        self.owners.update(dict.fromkeys(moved, owner))
        self._rows = None
        return moved

    def note_load(self, stream: str, epoch: int) -> None:
        """The owner of this epoch has read the stream."""
        self.loaded[stream] = max(epoch, self.loaded.get(stream, 0))

    def note_commit(self, stream: str, epoch: int) -> None:
        """The owner of this epoch has written to the stream."""
        if epoch < self.loaded.get(stream, 0):
            self.breaches.append(f"{stream} was written at epoch {epoch} after it was loaded at {self.loaded[stream]}")


class Wire(Protocol):
    """How a process reaches the server when there is more than one process; without, they are one."""

    def later(self, delay_s: float, action: Callable[..., None], *args: Any) -> None:
        """Call on the server's side, whatever the process does meanwhile."""
        ...

    def inside(self, action: Callable[..., None], *args: Any) -> None:
        """Call within the process; never, if it is dead; once it goes on, if it is stopped."""
        ...

    async def ask(self, read: Callable[[], T]) -> T:
        """A round trip. Raises Unavailable where an answer is lost."""
        ...


class SimulatedJournal:
    """Implements `Journal` on the running loop, virtual or real.

    `streams` is the durable truth: it survives `crash`, tests read it.

    Args:
        random: seeded; decides delays and faults.
        capacity: commits queued before `accepts` says no.
        store: shared with other nodes; then slots have to be opened.
        wire: how this process reaches it.
    """

    def __init__(
        self, random: Random, faults: Faults | None = None, *, capacity: int = 20_000, store: Store | None = None, wire: Wire | None = None
    ) -> None:
        self.faults = faults or Faults()
        self.history = 1
        self.store = store or Store()
        self.streams = self.store.streams
        self._wire = wire
        self._epochs: dict[int, int] | None = None if store is None else {}
        self.calls = 0
        self._random = random
        self._capacity = capacity
        self._queue: deque[tuple[Commit, Settle, int]] = deque()
        self._flight: list[tuple[Commit, Settle, int]] = []
        self._unknown = False
        self._claimed: dict[int, int] = {}
        self._running = asyncio.Event()
        self._running.set()
        self._settled = asyncio.Event()
        self._incarnation = 0

    # -- the port ----------------------------------------------------------------

    def accepts(self, slot: int, *, effect: bool = False) -> bool:
        del effect  # nothing lags here
        return (self._epochs is None or slot in self._epochs) and len(self._queue) + len(self._flight) < self._capacity

    def append(self, commit: Commit, settle: Settle) -> None:
        epoch = 1 if self._epochs is None else self._epochs.get(commit.slot, -1)
        self._queue.append((commit, settle, epoch))
        if not self._flight and len(self._queue) == 1:
            asyncio.get_running_loop().call_soon(self._begin, self._incarnation)

    async def load(self, stream: str, slot: int) -> StoredStream:
        while self._unknown and any(commit.slot == slot for commit, _, _ in self._flight):
            self._settled.clear()
            await self._settled.wait()
        if self._epochs is not None and slot not in self._epochs:
            raise Unavailable(f"slot {slot} is not open here")
        epoch = 1 if self._epochs is None else self._epochs[slot]
        return await self._ask(self.faults.load, lambda: self._stored(stream, epoch))

    def _stored(self, stream: str, epoch: int) -> StoredStream:
        self.store.note_load(stream, epoch)
        stored = self.streams.get(stream)
        if stored is None:
            return StoredStream(0, 0, None, None, ())
        keys = list(stored.keys.items())[-RECENT_KEYS:]
        tail = tuple(stored.events[stored.snapshot_offset :])
        return StoredStream(stored.head, stored.snapshot_offset, stored.snapshot, stored.next_due, tail, keys)

    async def read(self, stream: str, after: int, limit: int) -> Sequence[JournalEvent]:
        def found() -> Sequence[JournalEvent]:
            stored = self.streams.get(stream)
            return stored.events[after : after + limit] if stored is not None else ()

        return await self._ask(self.faults.load, found)

    async def due(self, before: int, limit: int, slots: Sequence[int] | None = None) -> Sequence[tuple[str, int]]:
        open_slots = slots if slots is not None else self._epochs

        def found() -> Sequence[tuple[str, int]]:
            due = [(name, one.next_due) for name, one in self.streams.items() if open_slots is None or one.slot in open_slots]
            return sorted(((name, at) for name, at in due if at is not None and at <= before), key=lambda row: row[1])[:limit]

        return await self._ask(self.faults.load, found)

    # -- slots ---------------------------------------------------------------------

    async def open_slots(self, epochs: Mapping[int, int]) -> None:
        await self._ask(self.faults.load, lambda: None)
        if self._epochs is not None:
            self._epochs.update(epochs)

    async def close_slots(self, slots: Sequence[int], timeout_s: float = 2.0) -> set[int]:
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + timeout_s
        while self._busy(slots) and loop.time() < give_up_s:
            await pause(0.001)
        clean = set(slots) - self._busy(slots)
        self.drop_slots(clean)
        return clean

    def drop_slots(self, slots: Iterable[int]) -> None:
        if self._epochs is not None:
            for slot in slots:
                self._epochs.pop(slot, None)

    def _busy(self, slots: Iterable[int]) -> set[int]:
        return {commit.slot for commit, _, _ in (*self._queue, *self._flight)} & set(slots)

    # -- what a test may do to it --------------------------------------------------

    @property
    def pending(self) -> int:
        """Commits not settled yet."""
        return len(self._queue) + len(self._flight)

    def stop(self) -> None:
        """The server hangs: calls neither fail nor return."""
        self._running.clear()

    def resume(self) -> None:
        """The server answers again."""
        self._running.set()

    def claim(self, slot: int, epoch: int = 2) -> None:
        """Another owner takes the slot: our commits to it are refused from now on."""
        self._claimed[slot] = epoch

    def reclaim(self, slot: int) -> None:
        """The slot is ours again."""
        self._claimed.pop(slot, None)

    def crash(self) -> None:
        """This process dies: nothing in flight settles. A call in flight may have been committed."""
        if self._flight and self._random.random() < 0.5:
            self._execute_all()
        self._incarnation += 1
        self._queue.clear()
        self._flight.clear()
        self._unknown = False

    # -- the lane ------------------------------------------------------------------

    def _begin(self, incarnation: int) -> None:
        """All commits of one loop turn go together."""
        if incarnation == self._incarnation and not self._flight:
            self._next_call()

    def _next_call(self) -> None:
        """Send what is queued; the running loop is the one that called `append`."""
        self._flight = [self._queue.popleft() for _ in range(min(BATCH_ROWS, len(self._queue)))]
        if self._flight:
            self._call_after(self._delay())

    def _call_after(self, delay_s: float) -> None:
        if self._wire is not None:
            self._wire.later(delay_s, self._arrive, self._incarnation)
        else:
            asyncio.get_running_loop().call_later(delay_s, self._arrive, self._incarnation)

    def _arrive(self, incarnation: int) -> None:
        """The call reaches the server, or is lost on the way there or back."""
        if incarnation != self._incarnation:
            return
        if not self._running.is_set():
            self._call_after(self.faults.reconnect_s)
            return
        self.calls += 1
        if self._happens(self.faults.before_commit):
            self._inside(self._lost)
            return
        outcomes = self._execute_all()
        if self._happens(self.faults.after_commit):
            self._inside(self._lost)
            return
        self._inside(self._settle, outcomes)

    def _inside(self, action: Callable[..., None], *args: Any) -> None:
        """Back in the process that called."""
        if self._wire is not None:
            self._wire.inside(action, *args)
        else:
            action(*args)

    def _lost(self) -> None:
        """Unknown outcome: the batch stays at the lane's head and is sent again."""
        self._unknown = True
        self._call_after(self.faults.reconnect_s)

    def _settle(self, outcomes: list[Outcome]) -> None:
        flight, self._flight = self._flight, []
        self._unknown = False
        self._settled.set()
        for (_, settle, _), outcome in zip(flight, outcomes, strict=True):
            settle(outcome)
        if not self._flight:
            self._next_call()

    def _execute_all(self) -> list[Outcome]:
        """One call: the first refused commit of a stream refuses all of it behind, which were built on it."""
        outcomes: list[Outcome] = []
        broken: set[str] = set()
        for commit, _, epoch in self._flight:
            if commit.stream in broken and self._fence(commit, epoch) is None:
                stream = self.streams.get(commit.stream)
                outcomes.append(Conflicted(stream.head if stream else 0))
                continue
            outcomes.append(self._execute(commit, epoch))
            if not isinstance(outcomes[-1], Committed):
                broken.add(commit.stream)
        return outcomes

    def _fence(self, commit: Commit, epoch: int) -> Fenced | None:
        if self._epochs is None:
            return Fenced(self._claimed[commit.slot]) if commit.slot in self._claimed else None
        present = self.store.epochs.get(commit.slot, 0)
        return None if present == epoch else Fenced(present)

    def _execute(self, commit: Commit, epoch: int) -> Outcome:
        """The fenced call, all or nothing."""
        if (fenced := self._fence(commit, epoch)) is not None:
            return fenced
        stream = self.streams.get(commit.stream)
        if stream is None:
            stream = Stream(commit.slot)
        if _is_there(stream, commit, epoch):
            return Committed()
        for event in commit.events:
            if event.dedup is not None and event.dedup in stream.keys:
                return Duplicate(event.dedup, stream.keys[event.dedup])
        if commit.head - len(commit.events) != stream.head or any(
            event.offset != stream.head + nth for nth, event in enumerate(commit.events, 1)
        ):
            return Conflicted(stream.head)
        if self._happens(self.faults.refused):
            return Failed("simulated: the statement was refused")
        self.streams[commit.stream] = stream
        self.store.note_commit(commit.stream, epoch)
        _insert(stream, commit, epoch)
        return Committed()

    # -- chance ------------------------------------------------------------------

    async def _ask(self, fault: float, read: Callable[[], T]) -> T:
        """A read's round trip."""
        if self._wire is not None:
            return await self._wire.ask(read)
        await pause(self._delay())
        await self._running.wait()
        if self._happens(fault):
            raise Unavailable("simulated: the database does not answer")
        return read()

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _delay(self) -> float:
        return self._random.uniform(*self.faults.delay_s)


def _is_there(stream: Stream, commit: Commit, epoch: int) -> bool:
    """Sent before, its reply lost: the same events stand at their offsets, written under the same epoch."""
    return bool(commit.events) and all(
        event.offset <= stream.head
        and stream.epochs[event.offset - 1] == epoch
        and stream.events[event.offset - 1][2:4] == (event.dedup, event.payload)
        for event in commit.events
    )


def _insert(stream: Stream, commit: Commit, epoch: int) -> None:
    for event in commit.events:
        stream.epochs.append(epoch)
        stream.events.append(JournalEvent(event.offset, event.at, event.dedup, event.payload, event.private))
        if event.dedup is not None:
            stream.keys[event.dedup] = event.offset
    if commit.snapshot is not None:
        stream.snapshot, stream.snapshot_offset = commit.snapshot, commit.head
    if commit.next_due is not UNSET:
        stream.next_due = commit.next_due
    for rewrite in commit.rewrites:
        old = stream.events[rewrite.offset - 1]
        stream.events[rewrite.offset - 1] = old._replace(payload=rewrite.payload)
