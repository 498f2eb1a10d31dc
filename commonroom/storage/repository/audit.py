"""The audit: appended to, searched, purged."""

from collections.abc import Sequence

from commonroom.audit import Entry
from commonroom.storage.pool import Database
from commonroom.storage.purge import in_batches

__all__ = ["AuditLog"]

ADD = """
INSERT INTO audit (at, outcome, actor_type, actor_id, sid, action, target, why, request)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
"""
SEARCH = """
SELECT id, at, outcome, actor_type, actor_id, sid, action, target, why, request FROM audit
WHERE ($1::text IS NULL OR actor_id = $1) AND ($2::text IS NULL OR action = $2) AND ($3::bigint IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""
PURGE = "DELETE FROM audit WHERE id = ANY (ARRAY(SELECT id FROM audit WHERE at < $2 ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED))"


class AuditLog:
    """The table `audit`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[Entry]) -> None:
        """Append them, in one statement."""
        columns = zip(*((
            one.at, one.outcome, one.actor_type, one.actor_id, one.sid, one.action, one.target, one.why, one.request,
        ) for one in entries), strict=True)  # fmt: skip
        await self._database.execute(ADD, *columns)

    async def search(self, actor: str | None, action: str | None, before: int | None, limit: int) -> list[tuple[int, Entry]]:
        """The latest first, each with its number.

        Args:
            actor: a principal's id; None: everybody.
            before: only entries with a smaller number.
        """
        rows = await self._database.fetch(SEARCH, actor, action, before, limit)
        return [(row["id"], Entry(*row[1:])) for row in rows]

    async def purge(self, before: int) -> None:
        """Forget what is older, in cluster ms."""
        await in_batches(self._database, PURGE, before)
