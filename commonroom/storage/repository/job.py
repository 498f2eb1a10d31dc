"""How far backfills are."""

from typing import Literal, NamedTuple

from commonroom.errors import InternalError
from commonroom.storage.pool import Connection, Database, Record

__all__ = ["JobRow", "JobState", "JobTable"]

JobState = Literal["running", "done", "cancelled", "failed"]

COLUMNS = "name, state, checkpoint, done, started_at, moved_at, reason"
BEGIN = """
INSERT INTO job AS j (name, state, checkpoint, done, started_at, moved_at, reason) VALUES ($1, 'running', '', 0, $2, $2, '')
ON CONFLICT (name) DO UPDATE SET state = 'running', reason = '', moved_at = excluded.moved_at,
    checkpoint = CASE WHEN $3 THEN '' ELSE j.checkpoint END, done = CASE WHEN $3 THEN 0 ELSE j.done END,
    started_at = CASE WHEN $3 THEN excluded.started_at ELSE j.started_at END
WHERE $3 OR j.state <> 'done'
"""
TAKE = f"SELECT {COLUMNS} FROM job WHERE name = $1 FOR UPDATE"  # noqa: S608 - constants only
MOVE = f"""
UPDATE job SET checkpoint = $2, done = done + $3, moved_at = $4, state = CASE WHEN $5 THEN 'done' ELSE state END WHERE name = $1
RETURNING {COLUMNS}
"""  # noqa: S608
CANCEL = "UPDATE job SET state = 'cancelled', moved_at = $2 WHERE name = $1 AND state = 'running'"
FAIL = "UPDATE job SET state = 'failed', moved_at = $2, reason = $3 WHERE name = $1 AND state = 'running'"
READ = f"SELECT {COLUMNS} FROM job ORDER BY name LIMIT 1000"  # noqa: S608
MAX_REASON = 200


class JobRow(NamedTuple):
    """Where a job stands. Moments in cluster ms; `moved_at`: of its last step. One that is `running` may have no runner any more."""

    name: str
    state: JobState
    checkpoint: str
    done: int
    started_at: int
    moved_at: int
    reason: str


class JobTable:
    """The table `job`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> list[JobRow]:
        """All that ever ran."""
        return [JobRow(*row) for row in await self._database.fetch(READ)]

    async def begin(self, name: str, now: int, *, anew: bool) -> None:
        """It runs from now on, from where it is, or `anew` from the beginning; one that is done stays so unless `anew`."""
        await self._database.execute(BEGIN, name, now, anew)

    async def cancel(self, name: str, now: int) -> bool:
        """Whoever runs it stops before the next step. Whether it was running."""
        return _did(await self._database.execute(CANCEL, name, now))

    async def fail(self, name: str, now: int, reason: str) -> None:
        """A step of it cannot be done."""
        await self._database.execute(FAIL, name, now, reason[:MAX_REASON].replace("\0", ""))

    async def take(self, connection: Connection, name: str) -> JobRow:
        """Where it stands; nobody else moves it until the connection's transaction ends.

        Raises:
            InternalError: it never began.
        """
        return _row(await connection.fetchrow(TAKE, name))

    async def move(self, connection: Connection, name: str, checkpoint: str, rows: int, now: int, *, last: bool) -> JobRow:
        """A step is done, in the transaction that took the job."""
        return _row(await connection.fetchrow(MOVE, name, checkpoint, rows, now, last))


def _row(row: Record | None) -> JobRow:
    if row is None:
        raise InternalError("the job is not in its table")
    return JobRow(*row)


def _did(tag: str) -> bool:
    return tag.endswith(" 1")
