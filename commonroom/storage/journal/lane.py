"""A lane: one connection that commits for its slots, one call in flight (DESIGN 4, "Group commit").

An idle lane sends what one turn of the loop queued; while a call is in flight commits
gather and go together next. There is no artificial delay.

What a call may end in, and what follows:

    answer            each commit settles with its verdict
    statement error   the batch is retried in halves; a commit refused alone settles as Failed, and those
                      behind it in its stream as Conflicted
    anything else     the outcome is unknown: the batch stays at the head and is sent again on a new
                      connection until it is known. `journal_append` recognises what stands already.

A call is `journal_extend`, which writes a batch in which nothing is to be judged, or nothing at all;
`journal_append` where that says no.

Invariant: a commit settles once, in the order of `append` within its stream, and a
later batch is sent only after the one before has settled: that keeps slot positions
in commit order.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from commonroom.delay import Delays
from commonroom.storage.fault import explain, is_statement_error
from commonroom.storage.journal.batch import APPEND, EXTEND, Entry, arguments, extension, outcomes, size_bytes
from commonroom.storage.journal.port import Committed, Failed, Fenced, Outcome
from commonroom.storage.pool import Connection, Record
from commonroom.tasks import TaskGroup, pause

__all__ = ["Lane"]

MAX_BATCH_ROWS = 500
MAX_BATCH_BYTES = 256 * 1024
MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""A commit may carry a snapshot of a megabyte: rows alone bound nothing."""

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0

Key = TypeVar("Key")


class Lane:
    """Commits in order over a connection of its own.

    Args:
        connect: opens a connection; may fail.
        max_rows: rows that may queue before `accepts` says no.
        call_timeout_s: after this the connection is cut and the outcome is unknown.
        on_durable: called for each commit that became durable, before it settles.
        on_trouble: called with one line when an outcome is unknown or a stream is refused.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        max_rows: int,
        call_timeout_s: float,
        on_durable: Callable[[Entry], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._connect = connect
        self._max_rows = max_rows
        self._call_timeout_s = call_timeout_s
        self._on_durable = on_durable
        self._on_trouble = on_trouble
        self._queue: deque[Entry] = deque()
        self._queued_rows = 0
        self._queued_bytes = 0
        self.calls = 0
        """Group commits sent, repeats included."""
        self.fenced = 0
        """Commits settled as `Fenced`."""
        self.waits = Delays()
        """How long the first commit of each batch waited to be sent; a batch that did not take all counts as the first of the next."""
        self.durations = Delays()
        """How long each group commit took."""
        self._waiting_since_s = 0.0
        self._pending: Counter[str] = Counter()
        self._pending_slots: Counter[int] = Counter()
        self._unknown: frozenset[int] = frozenset()
        self._connection: Connection | None = None
        self._work = asyncio.Event()
        self._turned = asyncio.Event()
        self._tasks = TaskGroup(self._crashed)

    async def open(self) -> None:
        """Connect for the first time and start working; raises what connecting raises."""
        self._connection = await self._connect()
        self._tasks.start("lane", self._run())

    async def close(self, timeout_s: float) -> None:
        """Send what is queued, then end. What has no known outcome after `timeout_s` never settles."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._pending:
                    await self._next_turn()
        except TimeoutError:
            self._on_trouble(f"{sum(self._pending.values())} commits have no known outcome at the end")
        await self._tasks.close()
        self._cut()

    @property
    def healthy(self) -> bool:
        """False while an outcome is unknown."""
        return not self._unknown

    @property
    def queued_rows(self) -> int:
        """Rows waiting or in flight, for metrics."""
        return self._queued_rows

    def accepts(self) -> bool:
        """Whether there is room for more."""
        return self._queued_rows < self._max_rows and self._queued_bytes < MAX_QUEUED_BYTES

    def append(self, entry: Entry) -> None:
        """Queue a commit. It is sent when this turn of the loop has ended, at the earliest."""
        if not self._queue:
            self._waiting_since_s = asyncio.get_running_loop().time()
        self._queue.append(entry)
        self._queued_rows += entry.rows
        self._queued_bytes += size_bytes(entry.commit)
        self._pending[entry.commit.stream] += 1
        self._pending_slots[entry.commit.slot] += 1
        self._work.set()

    async def settled(self, stream: str, slot: int) -> None:
        """Wait until nothing of `stream` is pending and no outcome of `slot` is unknown."""
        while stream in self._pending or slot in self._unknown:
            await self._next_turn()

    def pending(self, slot: int) -> bool:
        """Whether a commit of the slot is queued or in flight."""
        return slot in self._pending_slots

    async def drained(self, slots: Collection[int]) -> None:
        """Wait until nothing of `slots` is pending at the same time."""
        while any(slot in self._pending_slots for slot in slots):
            await self._next_turn()

    async def _next_turn(self) -> None:
        turned = self._turned
        await turned.wait()

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            batch = self._take()
            if batch:
                self.waits.note(asyncio.get_running_loop().time() - self._waiting_since_s)
                await self._settle(batch)
                self._end_turn()
            if not self._queue:
                self._work.clear()

    def _take(self) -> list[Entry]:
        """The next batch: at least one commit, else up to the limits."""
        batch: list[Entry] = []
        rows = size = 0
        while self._queue:
            entry = self._queue[0]
            rows += entry.rows
            size += size_bytes(entry.commit)
            if batch and (rows > MAX_BATCH_ROWS or size > MAX_BATCH_BYTES):
                break
            batch.append(self._queue.popleft())
        return batch

    async def _settle(self, batch: Sequence[Entry]) -> None:
        answer = await self._answer(batch)
        if not isinstance(answer, Failed):
            self._deliver(batch, outcomes(batch, answer))
            return
        if len(batch) == 1:
            self._on_trouble(f"a commit of {batch[0].commit.stream} was refused: {answer.reason}")
            self._deliver(batch, [answer])
            return
        half = len(batch) // 2  # in order, so that slot positions become durable in order
        await self._settle(batch[:half])
        await self._settle(batch[half:])

    async def _answer(self, batch: Sequence[Entry]) -> list[Record] | Failed:
        """Send until the outcome is known: refused commits, or the statement error."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                answer = await self._send(batch)
            except Exception as error:  # noqa: BLE001 - R19: whatever it is, the outcome is unknown unless clearly a statement error
                if is_statement_error(error):
                    self._unknown = frozenset()
                    return Failed(explain(error))
                self._lost(batch, error)
            else:
                self._unknown = frozenset()
                return answer
            await pause(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _send(self, batch: Sequence[Entry]) -> list[Record]:
        """Write the batch; the commits that are refused. Most batches only go on where their streams stand."""
        values = extension(batch)
        if values is not None and (await self._call(EXTEND, values))[0][0]:
            return []
        return await self._call(APPEND, arguments(batch))

    async def _call(self, query: str, values: Sequence[object]) -> list[Record]:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await self._connect()
        # The connection is cut rather than the call cancelled: a cancelled call may still commit.
        loop = asyncio.get_running_loop()
        guard = loop.call_later(self._call_timeout_s, connection.terminate)
        self.calls += 1
        began_s = loop.time()
        try:
            return await connection.fetch(query, *values)
        finally:
            guard.cancel()
            self.durations.note(loop.time() - began_s)

    def _lost(self, batch: Sequence[Entry], error: Exception) -> None:
        if not self._unknown:
            self._on_trouble(f"outcome of {len(batch)} commits is unknown, sending them again: {explain(error)}")
        self._unknown |= {entry.commit.slot for entry in batch}
        self._cut()

    def _cut(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _deliver(self, batch: Sequence[Entry], answers: Sequence[Outcome]) -> None:
        """Book first, tell then: a settle callback may append or look at us."""
        for entry in batch:
            self._queued_rows -= entry.rows
            self._queued_bytes -= size_bytes(entry.commit)
            _count_down(self._pending, entry.commit.stream)
            _count_down(self._pending_slots, entry.commit.slot)
        for entry, outcome in zip(batch, answers, strict=True):
            if isinstance(outcome, Committed):
                self._on_durable(entry)
            elif isinstance(outcome, Fenced):
                self.fenced += 1
            try:
                entry.settle(outcome)
            except Exception as error:  # noqa: BLE001 - one commit's listener must not keep the others from hearing
                self._on_trouble(f"settling a commit of {entry.commit.stream} failed: {type(error).__name__}: {explain(error)}")

    def _end_turn(self) -> None:
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault: the lane goes on with the next batch."""
        self._on_trouble(f"{name} failed: {type(error).__name__}: {explain(error)}")
        self._end_turn()
        self._tasks.start(name, self._run())


def _count_down(counts: Counter[Key], key: Key) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
