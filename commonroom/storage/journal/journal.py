"""The journal on PostgreSQL. Duties and terms: `commonroom.storage.journal.port`."""

import asyncio
from collections.abc import Callable, Sequence

from commonroom.config.settings import PostgresSettings
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

CLAIM = """
SELECT m.slot_id, m.epoch FROM (SELECT array_agg(s.slot_id) AS slots, array_agg(s.epoch) AS epochs FROM slot s) seen,
    journal_move($1, seen.slots, seen.epochs) m
"""

POSITIONS = """
SELECT s.slot_id, greatest(
    coalesce((SELECT e.slot_pos FROM event e WHERE e.slot = s.slot_id ORDER BY e.slot_pos DESC LIMIT 1), 0),
    coalesce((SELECT max(c.slot_pos) FROM checkpoint c WHERE c.slot = s.slot_id), 0)) AS slot_pos
FROM slot s
"""

# The plan of a batch must not depend on what the tables held when it was made: probe indexes, always.
LANE_SETTINGS = {"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan", "jit": "off", "synchronous_commit": "on"}


class PostgresJournal:
    """Implements `port.Journal`.

    `open` first. Until then, and after `close`, nothing may be called.

    Args:
        dsn: for the lanes; the database is migrated.
        database: for reads.
        owner: this node's name in the slot table.
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
        self._epochs: dict[int, int] = {}
        self._given: dict[int, int] = {}
        self._durable: dict[int, int] = {}
        self._history = 0
        self._watch: Callable[[Entry, int], None] | None = None
        self._applied: Callable[[int], int] | None = None

    async def open(self) -> None:
        """Claim every slot (epoch + 1) and connect the lanes.

        Waits for writes in flight of a former owner; none can follow.

        Raises:
            Unavailable: the database does not answer.
        """
        await self._claim()
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

    @property
    def calls(self) -> int:
        """Group commits sent since the start."""
        return sum(lane.calls for lane in self._lanes)

    @property
    def history(self) -> int:
        """The cluster's history number."""
        return self._history

    @property
    def slots(self) -> Sequence[int]:
        """The slots this node owns."""
        return list(self._epochs)

    @property
    def healthy(self) -> bool:
        """False while a lane has an unknown outcome."""
        return all(lane.healthy for lane in self._lanes)

    @property
    def queued_rows(self) -> int:
        """Rows waiting or in flight in all lanes."""
        return sum(lane.queued_rows for lane in self._lanes)

    def epoch(self, slot: int) -> int:
        """Our epoch of a slot."""
        return self._epochs[slot]

    def position(self, slot: int) -> int:
        """The slot position of the last durable event of ours."""
        return self._durable[slot]

    def watch(self, on_commit: Callable[[Entry, int], None], applied: Callable[[int], int]) -> None:
        """Attach the projections.

        Args:
            on_commit: called with each commit whose events became durable, in slot order, and
                the slot position of the last event before them.
            applied: the slot position up to which the slowest projection has come.
        """
        self._watch = on_commit
        self._applied = applied

    def accepts(self, slot: int) -> bool:
        """Room in the lane, and no projection of the slot over `MAX_LAG_EVENTS` behind."""
        if not self._lane(slot).accepts():
            return False
        return self._applied is None or self._durable[slot] - self._applied(slot) <= MAX_LAG_EVENTS

    def append(self, commit: Commit, settle: Settle) -> None:
        """Queue a commit; see the port."""
        first = self._given[commit.slot] + 1
        self._given[commit.slot] += len(commit.events)
        self._lane(commit.slot).append(Entry(commit, self._epochs[commit.slot], first, settle))

    async def load(self, stream: str, slot: int) -> StoredStream:
        """One query; see the port."""
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                await self._lane(slot).settled(stream, slot)
        except TimeoutError:
            raise Unavailable("commits of this stream have no known outcome yet", retry_after_ms=500) from None
        row = await self._database.fetchrow(LOAD, stream)
        if row is None:
            raise Unavailable("database answered nothing")
        return _stored(row)

    async def read(self, stream: str, after: int, limit: int) -> Sequence[JournalEvent]:
        """Committed events; see the port."""
        return [JournalEvent(*row) for row in await self._database.fetch(READ, stream, after, limit)]

    async def due(self, before: int, limit: int) -> Sequence[tuple[str, int]]:
        """Due actors; see the port."""
        rows = await self._database.fetch(DUE, list(self._epochs), before, limit)
        return [(row["address"], row["next_due"]) for row in rows]

    async def _claim(self) -> None:
        async with self._database.transaction() as connection:
            self._history = await connection.fetchval("SELECT history FROM cluster")
            self._epochs = {row["slot_id"]: row["epoch"] for row in await connection.fetch(CLAIM, self._owner)}
        rows = await self._database.fetch(POSITIONS)
        self._durable = {row["slot_id"]: row["slot_pos"] for row in rows}
        self._given = dict(self._durable)

    def _lane(self, slot: int) -> Lane:
        return self._lanes[slot % len(self._lanes)]

    async def _connect(self) -> Connection:
        return await connect(self._dsn, f"commonroom lane {self._owner}", **LANE_SETTINGS)

    def _note_durable(self, entry: Entry) -> None:
        if not entry.commit.events:
            return
        before = self._durable[entry.commit.slot]
        self._durable[entry.commit.slot] = entry.last_pos
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
