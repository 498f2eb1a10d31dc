"""The journal on PostgreSQL. Duties and terms: `commonroom.storage.journal.port`."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from commonroom.config.settings import PostgresSettings
from commonroom.delay import Delays
from commonroom.errors import Unavailable
from commonroom.storage.fault import translated
from commonroom.storage.journal.batch import Entry
from commonroom.storage.journal.lane import Lane
from commonroom.storage.journal.port import Commit, JournalEvent, Settle, StoredStream
from commonroom.storage.pool import Connection, Database, Record, connect

__all__ = ["PostgresJournal"]

RECENT_KEYS = 1024
MAX_LAG_EVENTS = 5000
"""Events of a slot that a projection may be behind before commands are answered RETRY."""
CLOSE_TIMEOUT_S = 10.0

EVENT_COLUMNS = 'e."offset", e.at, e.dedup, e.payload, e.private'

LOAD = f"""
SELECT coalesce(a.head, 0) AS head, coalesce(a.snapshot_offset, 0) AS snapshot_offset, a.snapshot, a.next_due,
    (SELECT array_agg(({EVENT_COLUMNS}) ORDER BY e."offset")
     FROM event e WHERE e.stream = $1 AND e."offset" > coalesce(a.snapshot_offset, 0)) AS tail,
    (SELECT array_agg((k.dedup, k."offset") ORDER BY k."offset")
     FROM (SELECT e.dedup, e."offset" FROM event e
           WHERE e.stream = $1 AND e.dedup IS NOT NULL ORDER BY e."offset" DESC LIMIT {RECENT_KEYS}) k) AS keys
FROM (SELECT $1::text AS address) asked LEFT JOIN actor a USING (address)
"""  # noqa: S608 - constants only

READ = f'SELECT {EVENT_COLUMNS} FROM event e WHERE e.stream = $1 AND e."offset" > $2 ORDER BY e."offset" LIMIT $3'  # noqa: S608 - constants only

DUE = """
SELECT d.address, d.next_due
FROM unnest($1::integer[]) AS s (slot)
CROSS JOIN LATERAL (
    SELECT a.address, a.next_due FROM actor a WHERE a.slot = s.slot AND a.next_due <= $2 ORDER BY a.next_due LIMIT $3
) d
ORDER BY d.next_due, d.address LIMIT $3
"""

HISTORY = "SELECT history FROM cluster"

POSITIONS = """
SELECT s.slot, greatest(
    coalesce((SELECT e.slot_pos FROM event e WHERE e.slot = s.slot ORDER BY e.slot_pos DESC LIMIT 1), 0),
    coalesce(c.slot_pos, 0)) AS slot_pos
FROM unnest($1::integer[]) AS s (slot)
LEFT JOIN (SELECT c.slot, max(c.slot_pos) AS slot_pos FROM checkpoint c WHERE c.slot = ANY ($1::integer[]) GROUP BY c.slot) c USING (slot)
"""

# The plan of a batch must not depend on what the tables held when it was made: probe indexes, always.
LANE_SETTINGS = {"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan", "jit": "off", "synchronous_commit": "on"}

NOT_OURS = -1
"""An epoch that no slot has: the database refuses a commit of it as fenced."""


class _Slot:
    """A slot we own. `given`: the last position handed out; `durable`: the last one that is durable."""

    __slots__ = ("durable", "epoch", "given")

    def __init__(self, epoch: int, position: int) -> None:
        self.epoch = epoch
        self.given = self.durable = position


class PostgresJournal:
    """Implements `port.Journal`.

    `open` first. Until then, and after `close`, nothing may be called. It owns nothing until
    `open_slots`; who owns what is decided in the slot table, by others.

    Args:
        dsn: for the lanes; the database is migrated.
        database: for reads.
        owner: this node's name, for the lanes' connections.
        on_trouble: called with one line for the log.
    """

    def __init__(
        self,
        dsn: str,
        database: Database,
        *,
        owner: str = "node",
        settings: PostgresSettings | None = None,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._dsn = dsn
        self._database = database
        self._owner = owner
        self._settings = settings or PostgresSettings()
        self._on_trouble = on_trouble or _ignore
        self._lanes: list[Lane] = []
        self._slots: dict[int, _Slot] = {}
        self._opening: dict[int, int] = {}
        self._history = 0
        self._watch: Callable[[Entry, int], None] | None = None
        self._applied: Callable[[int], int] | None = None

    async def open(self) -> None:
        """Read the history number and connect the lanes.

        Raises:
            Unavailable: the database does not answer.
        """
        self._history = await self._database.fetchval(HISTORY)
        for _ in range(self._settings.lanes):
            lane = Lane(
                self._connect, max_rows=self._settings.lane_rows, call_timeout_s=self._settings.call_timeout_s,
                on_durable=self._note_durable, on_trouble=self._on_trouble,
            )  # fmt: skip
            try:
                await lane.open()
            except Exception as error:  # R19: asyncpg may raise anything
                await self.close()
                raise translated(error) from error
            self._lanes.append(lane)

    async def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Send what is queued and close the lanes; waits at most `timeout_s` for outcomes."""
        await asyncio.gather(*(lane.close(timeout_s) for lane in self._lanes))
        self._lanes = []

    async def open_slots(self, epochs: Mapping[int, int]) -> None:
        """We own these slots at these epochs: take commits to them. One query.

        A slot that is open at a lower epoch goes on at the new one; at the same or a higher
        epoch it stays as it is. A slot dropped meanwhile stays closed. On an error none of them opens.

        Args:
            epochs: slot → the epoch the slot table gave us; the move must be complete.

        Raises:
            Unavailable: the database does not answer.
        """
        wanted = {slot: epoch for slot, epoch in epochs.items() if epoch > self._epoch(slot)}
        self._opening.update(wanted)
        rows = await self._database.fetch(POSITIONS, list(wanted))
        for slot, position in rows:
            epoch = wanted[slot]
            if self._opening.get(slot) == epoch:
                del self._opening[slot]
                self._slots[slot] = _Slot(epoch, position)

    async def close_slots(self, slots: Collection[int], timeout_s: float) -> set[int]:
        """Wait until nothing of these slots is queued or in flight, then forget them.

        Whoever calls keeps new commits from coming. Other slots go on.

        Returns: those forgotten. The rest, with an outcome unknown after `timeout_s`, stay open.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for lane in self._lanes:
                    await lane.drained(slots)
        clean = {slot for slot in slots if not self._lane(slot).pending(slot)}
        self.drop_slots(clean)
        return clean

    def drop_slots(self, slots: Collection[int]) -> None:
        """Forget them at once: somebody else owns them. Commits still queued settle as the database says.

        A dropped slot may be opened again only at a higher epoch: at the old one its commits may still be under way.
        """
        for slot in slots:
            self._slots.pop(slot, None)
            self._opening.pop(slot, None)

    @property
    def calls(self) -> int:
        """Group commits sent since the start."""
        return sum(lane.calls for lane in self._lanes)

    @property
    def waits(self) -> Delays:
        """How long commits waited to be sent; see `Lane.waits`."""
        return Delays.together(lane.waits for lane in self._lanes)

    @property
    def durations(self) -> Delays:
        """How long group commits took."""
        return Delays.together(lane.durations for lane in self._lanes)

    @property
    def fenced(self) -> int:
        """Commits settled as `Fenced` since the start."""
        return sum(lane.fenced for lane in self._lanes)

    @property
    def history(self) -> int:
        """The cluster's history number."""
        return self._history

    @property
    def slots(self) -> Sequence[int]:
        """The slots that are open."""
        return list(self._slots)

    @property
    def healthy(self) -> bool:
        """False while a lane has an unknown outcome."""
        return all(lane.healthy for lane in self._lanes)

    @property
    def queued_rows(self) -> int:
        """Rows waiting or in flight in all lanes."""
        return sum(lane.queued_rows for lane in self._lanes)

    def epoch(self, slot: int) -> int:
        """Our epoch of an open slot."""
        return self._slots[slot].epoch

    def epochs(self, slots: Collection[int]) -> dict[int, int]:
        """Our epochs of those of these slots that are open."""
        return {slot: owned.epoch for slot in slots if (owned := self._slots.get(slot)) is not None}

    def position(self, slot: int) -> int:
        """The position of the last durable event of an open slot."""
        return self._slots[slot].durable

    def watch(self, on_commit: Callable[[Entry, int], None], applied: Callable[[int], int]) -> None:
        """Attach the projections.

        Args:
            on_commit: called with each commit whose events became durable, in slot order, and
                the slot position of the last event before them.
            applied: the slot position up to which the slowest projection has come.
        """
        self._watch = on_commit
        self._applied = applied

    def accepts(self, slot: int, *, effect: bool = False) -> bool:
        """The slot is open, its lane has room, and, but for effects, no projection of it is over `MAX_LAG_EVENTS` behind."""
        owned = self._slots.get(slot)
        if owned is None or not self._lane(slot).accepts():
            return False
        return effect or self._applied is None or owned.durable - self._applied(slot) <= MAX_LAG_EVENTS

    def append(self, commit: Commit, settle: Settle) -> None:
        """Queue a commit; see the port."""
        owned = self._slots.get(commit.slot)
        if owned is None:  # the database refuses it, in its turn
            self._lane(commit.slot).append(Entry(commit, NOT_OURS, 0, settle))
            return
        first = owned.given + 1
        owned.given += len(commit.events)
        self._lane(commit.slot).append(Entry(commit, owned.epoch, first, settle))

    async def load(self, stream: str, slot: int) -> StoredStream:
        """One query; see the port."""
        owned = self._slots.get(slot)
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                await self._lane(slot).settled(stream, slot)
        except TimeoutError:
            raise Unavailable("commits of this stream have no known outcome yet", retry_after_ms=500) from None
        row = await self._database.fetchrow(LOAD, stream)
        if row is None:
            raise Unavailable("database answered nothing")
        if owned is None or self._slots.get(slot) is not owned:  # what was read may be of another owner's past
            raise Unavailable(f"slot {slot} is not open here", retry_after_ms=500)
        return _stored(row)

    async def read(self, stream: str, after: int, limit: int) -> Sequence[JournalEvent]:
        """Committed events; see the port."""
        return [JournalEvent(*row) for row in await self._database.fetch(READ, stream, after, limit)]

    async def due(self, before: int, limit: int, slots: Sequence[int] | None = None) -> Sequence[tuple[str, int]]:
        """Due actors; see the port."""
        looked_at = list(self._slots) if slots is None else [slot for slot in slots if slot in self._slots]
        rows = await self._database.fetch(DUE, looked_at, before, limit)
        return [(row["address"], row["next_due"]) for row in rows]

    def _epoch(self, slot: int) -> int:
        owned = self._slots.get(slot)
        return NOT_OURS if owned is None else owned.epoch

    def _lane(self, slot: int) -> Lane:
        return self._lanes[slot % len(self._lanes)]

    async def _connect(self) -> Connection:
        return await connect(self._dsn, f"commonroom lane {self._owner}", **LANE_SETTINGS)

    def _note_durable(self, entry: Entry) -> None:
        if not entry.commit.events:
            return
        owned = self._slots.get(entry.commit.slot)
        if owned is None or owned.epoch != entry.epoch:  # an answer from before we lost the slot: `open_slots` reads what it wrote
            return
        before, owned.durable = owned.durable, entry.last_pos
        if self._watch is not None:
            self._watch(entry, before)


def _stored(row: Record) -> StoredStream:
    return StoredStream(
        head=row["head"],
        snapshot_offset=row["snapshot_offset"],
        snapshot=row["snapshot"],
        next_due=row["next_due"],
        tail=[JournalEvent(*event) for event in row["tail"] or ()],
        recent_keys=[(key, offset) for key, offset in row["keys"] or ()],
    )


def _ignore(line: object) -> None:
    del line
