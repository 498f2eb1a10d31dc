"""Rooms that users keep (FEATURES P22)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from commonroom.errors import LimitExceeded, NotFound
from commonroom.protocol.room import RoomInfo
from commonroom.storage.pool import Queries
from commonroom.storage.repository.room import room_of
from commonroom.storage.repository.visit import OPEN

__all__ = ["MAX_FAVOURITES", "Favourite", "Favourites"]

MAX_FAVOURITES: Final = 100
"""Of one user."""

LIST = f"""
SELECT f.room AS kept, f.at, room.*, room.room IS NOT NULL AND {OPEN} AS open
FROM favourite f LEFT JOIN room ON room.room = f.room
WHERE f.user_id = $1 ORDER BY f.at DESC, f.room
"""  # noqa: S608 - constants only

ALL = "SELECT room, at FROM favourite WHERE user_id = $1 ORDER BY at DESC, room"
HOLD = "SELECT id FROM app_user WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE"
ADD = """
INSERT INTO favourite (user_id, room, at) SELECT $1, $2, $3
WHERE (SELECT count(*) FROM favourite WHERE user_id = $1) < $4 ON CONFLICT DO NOTHING
"""
HAS = "SELECT true FROM favourite WHERE user_id = $1 AND room = $2"
REMOVE = "DELETE FROM favourite WHERE user_id = $1 AND room = $2"


class Favourite(NamedTuple):
    """A room that a user keeps, since `at`, cluster ms. `info` None: nothing of it may be shown now."""

    room: str
    at: int
    info: RoomInfo | None


class Favourites:
    """The table `favourite`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def all(self, user: str) -> list[Favourite]:
        """All that is kept about a user, the latest first, by ids alone."""
        return [Favourite(row["room"], row["at"], None) for row in await self._database.fetch(ALL, user)]

    async def list(self, user: str, actors: Sequence[str], now: int) -> list[Favourite]:
        """A user's, the latest first. Archived rooms, and those that ban one of `actors`, are shown by id alone."""
        return [
            Favourite(row["kept"], row["at"], room_of(row)[1] if row["open"] else None)
            for row in await self._database.fetch(LIST, user, list(actors), now)
        ]

    async def add(self, user: str, room: str, now: int, most: int = MAX_FAVOURITES) -> None:
        """Keep a room. Again is no error.

        Raises:
            LimitExceeded: the user has `most` already.
            NotFound: the account is gone.
        """
        async with self._database.transaction() as connection:
            if await connection.fetchval(HOLD, user) is None:  # held: two at once would both find room for one more
                raise NotFound("no such account")
            if await connection.execute(ADD, user, room, now, most) == "INSERT 0 1":
                return
            if not await connection.fetchval(HAS, user, room):
                raise LimitExceeded(f"{most} favourite rooms are the most")

    async def remove(self, user: str, room: str) -> bool:
        """Keep it no longer. False: it was not kept."""
        return await self._database.execute(REMOVE, user, room) == "DELETE 1"
