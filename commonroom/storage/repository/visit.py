"""Where users were within a day (FEATURES P19)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from commonroom.protocol.room import RoomInfo
from commonroom.storage.pool import Queries
from commonroom.storage.purge import in_batches
from commonroom.storage.repository.room import COLUMNS, room_of

__all__ = ["AGAIN_MS", "KEPT_MS", "MAX_VISITS", "OPEN", "KnownRoom", "Visit", "Visits"]

MAX_VISITS: Final = 50
"""Of one user, the latest."""

KEPT_MS: Final = 86_400_000
AGAIN_MS: Final = 60_000
"""A visit is not written again so soon after it was."""

OPEN: Final = """
archived_at IS NULL AND NOT EXISTS (
    SELECT FROM room_ban b WHERE b.room = room.room AND b.person_id = ANY ($2::text[]) AND (b."until" IS NULL OR b."until" > $3)
)
"""
"""What may be shown of a row of `room` to whoever is and was `$2`, at `$3`. Whether a private one admits them only the room knows."""

# In one order, so that two nodes wait for each other's rows instead of blocking each other. Nobody who is gone comes back by it.
WRITE = """
INSERT INTO visit (user_id, room, at)
SELECT v.user_id, v.room, v.at FROM unnest($1::text[], $2::text[], $3::bigint[]) AS v (user_id, room, at)
JOIN app_user u ON u.id = v.user_id AND u.deleted_at IS NULL ORDER BY 1, 2
ON CONFLICT (user_id, room) DO UPDATE SET at = excluded.at WHERE visit.at <= excluded.at - $4::bigint
"""
TRIM = """
DELETE FROM visit v USING (
    SELECT user_id, room, row_number() OVER (PARTITION BY user_id ORDER BY at DESC, room) AS place FROM visit
    WHERE user_id = ANY ($1::text[])
) ranked
WHERE ranked.place > $2 AND v.user_id = ranked.user_id AND v.room = ranked.room
"""
RECENT = f"""
SELECT {COLUMNS}, at FROM visit JOIN room USING (room)
WHERE user_id = $1 AND at > $4 AND {OPEN}
ORDER BY at DESC, room LIMIT $5
"""  # noqa: S608 - constants only
KNOWN = f"SELECT {COLUMNS} FROM room WHERE room = ANY ($1::text[]) AND {OPEN}"  # noqa: S608 - constants only
ALL = "SELECT user_id, room, at FROM visit WHERE user_id = $1 ORDER BY at DESC, room"
PURGE = """
DELETE FROM visit WHERE (user_id, room) IN (
    SELECT user_id, room FROM visit WHERE at <= $2 ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)
"""
PURGE_BANS = """
DELETE FROM room_ban WHERE (room, person_id, person_type) IN (
    SELECT room, person_id, person_type FROM room_ban WHERE "until" <= $2 ORDER BY "until" LIMIT $1 FOR UPDATE SKIP LOCKED)
"""


class Visit(NamedTuple):
    """A user came into a room at `at`, cluster ms."""

    user: str
    room: str
    at: int


class KnownRoom(NamedTuple):
    """A room that somebody may be shown, and when they last came into it, cluster ms."""

    room: str
    info: RoomInfo
    at: int


class Visits:
    """The table `visit`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def write(self, visits: Sequence[Visit], again_ms: int = AGAIN_MS) -> None:
        """Keep them, each user's latest `MAX_VISITS`. What is known to within `again_ms` stays as it is."""
        if not visits:
            return
        columns = [list(column) for column in zip(*visits, strict=True)]
        await self._database.execute(WRITE, *columns, again_ms)
        await self._database.execute(TRIM, sorted({visit.user for visit in visits}), MAX_VISITS)

    async def recent(self, user: str, actors: Sequence[str], now: int) -> list[KnownRoom]:
        """Where a user was within a day, the latest first; no archived room, none that bans one of `actors`, who the user is and was."""
        rows = await self._database.fetch(RECENT, user, list(actors), now, now - KEPT_MS, MAX_VISITS)
        return [KnownRoom(*room_of(row), row["at"]) for row in rows]

    async def known(self, rooms: Sequence[str], actors: Sequence[str], now: int) -> dict[str, RoomInfo]:
        """Those of these rooms that exist and may be shown, as for `recent`."""
        return dict(room_of(row) for row in await self._database.fetch(KNOWN, list(rooms), list(actors), now))

    async def all(self, user: str) -> list[Visit]:
        """All that is kept about a user, the latest first."""
        return [Visit(*row) for row in await self._database.fetch(ALL, user)]

    async def purge(self, now: int) -> None:
        """Forget visits of more than a day ago, and bans of rooms that are over."""
        await in_batches(self._database, PURGE, now - KEPT_MS)
        await in_batches(self._database, PURGE_BANS, now)
