"""Ended login sessions whose ws tokens are not over yet."""

from commonroom.identity import SessionId
from commonroom.storage.pool import Database

__all__ = ["RevokedSessions"]

# The login ends in the statement that refuses its tokens: no crash leaves one without the other.
ADD = """
WITH ended AS (UPDATE login_session SET ended_at = $2 WHERE sid = $1 AND ended_at IS NULL)
INSERT INTO revoked_session AS r (sid, "until") VALUES ($1, $3)
ON CONFLICT (sid) DO UPDATE SET "until" = greatest(r."until", excluded."until")
"""
READ = 'SELECT sid, "until" FROM revoked_session WHERE "until" > $1 ORDER BY "until" DESC LIMIT $2'
TRIM = 'DELETE FROM revoked_session WHERE "until" <= $1'


class RevokedSessions:
    """The table `revoked_session`. Moments are cluster ms. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, sid: SessionId, now: int, until: int) -> None:
        """End a login session, durably. Again is no error."""
        await self._database.execute(ADD, sid, now, until)

    async def read(self, now: int, limit: int) -> list[tuple[SessionId, int]]:
        """The sids that are refused now and until when, the latest first, at most `limit`."""
        return [(SessionId(row["sid"]), row["until"]) for row in await self._database.fetch(READ, now, limit)]

    async def trim(self, now: int) -> None:
        """Forget those whose time has passed."""
        await self._database.execute(TRIM, now)
