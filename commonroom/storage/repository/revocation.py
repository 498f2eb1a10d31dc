"""Ended login sessions whose tokens are not over yet."""

from collections.abc import Sequence

from commonroom.identity import SessionId
from commonroom.storage.pool import Queries

__all__ = ["RevokedSessions"]

# The login ends in the statement that refuses its tokens: no crash leaves one without the other.
ADD = """
WITH ended AS (UPDATE login_session SET ended_at = $3 WHERE sid = ANY ($1) AND ended_at IS NULL)
INSERT INTO revoked_session AS r (sid, "until") SELECT DISTINCT sid, $2::bigint FROM unnest($1::text[]) AS u (sid)
ON CONFLICT (sid) DO UPDATE SET "until" = greatest(r."until", excluded."until")
"""
ADD_ALL = """
WITH ended AS (
    UPDATE login_session SET ended_at = $3 WHERE actor_id = $1 AND ended_at IS NULL AND sid IS DISTINCT FROM $4 RETURNING sid
)
INSERT INTO revoked_session AS r (sid, "until") SELECT sid, $2::bigint FROM ended
ON CONFLICT (sid) DO UPDATE SET "until" = greatest(r."until", excluded."until") RETURNING sid
"""
READ = 'SELECT sid, "until" FROM revoked_session WHERE "until" > $1 ORDER BY "until" DESC LIMIT $2'
TRIM = 'DELETE FROM revoked_session WHERE "until" <= $1'


class RevokedSessions:
    """The table `revoked_session`. Moments are cluster ms. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def add(self, sids: Sequence[SessionId], now: int, until: int) -> None:
        """End login sessions, durably. Again is no error."""
        await self._database.execute(ADD, list(sids), until, now)

    async def add_all(self, actor: str, but: SessionId | None, now: int, until: int) -> list[SessionId]:
        """End all login sessions of an actor but `but`, durably; those that ended."""
        return [SessionId(row["sid"]) for row in await self._database.fetch(ADD_ALL, actor, until, now, but)]

    async def read(self, now: int, limit: int) -> list[tuple[SessionId, int]]:
        """The sids that are refused now and until when, the latest first, at most `limit`."""
        return [(SessionId(row["sid"]), row["until"]) for row in await self._database.fetch(READ, now, limit)]

    async def trim(self, now: int) -> None:
        """Forget those whose time has passed."""
        await self._database.execute(TRIM, now)
