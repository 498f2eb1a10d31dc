"""People and rooms as admins look for them: also those that no list of ours shows."""

from collections.abc import Sequence
from typing import NamedTuple

from commonroom.protocol.room import RoomInfo
from commonroom.storage.pool import Database
from commonroom.storage.repository.room import COLUMNS, room_of

__all__ = ["Directory", "FoundUser"]

COLUMNS_OF_USER = "u.id, u.username, u.display_name, u.email, u.role, u.created_at"
EVERYBODY = f"""
SELECT {COLUMNS_OF_USER} FROM app_user u
WHERE u.deleted_at IS NULL AND ($1::text IS NULL OR u.id < $1) ORDER BY u.id DESC LIMIT $2
"""  # noqa: S608 - constants only
# Each part walks an index of its own (ranges of bytes instead of LIKE, see `user.py`), and only the rows of the page are looked
# up, whatever the plan was made for.
FIND = f"""
WITH found AS MATERIALIZED (
    SELECT id FROM app_user WHERE id = $1 AND deleted_at IS NULL
    UNION SELECT id FROM app_user
        WHERE lower(username) ~>=~ $1 AND lower(username) ~<~ $2 AND username IS NOT NULL AND deleted_at IS NULL
    UNION SELECT id FROM app_user WHERE email_key ~>=~ $1 AND email_key ~<~ $2 AND email_key IS NOT NULL AND deleted_at IS NULL
    UNION SELECT id FROM app_user WHERE $3 <> '' AND search_name ~>=~ $3 AND search_name ~<~ $4 AND deleted_at IS NULL
), page AS MATERIALIZED (
    SELECT id FROM found WHERE $5::text IS NULL OR id < $5 ORDER BY id DESC LIMIT $6
)
SELECT {COLUMNS_OF_USER} FROM page p CROSS JOIN LATERAL (SELECT * FROM app_user u WHERE u.id = p.id OFFSET 0) u ORDER BY p.id DESC
"""  # noqa: S608
ROOMS = f"""
SELECT {COLUMNS} FROM room
WHERE ($1::text IS NULL OR visibility = $1) AND ($2::boolean IS NULL OR (archived_at IS NOT NULL) = $2) AND (created_at, room) < ($3, $4)
ORDER BY created_at DESC, room DESC LIMIT $5
"""  # noqa: S608
ROOMS_OF = f"SELECT {COLUMNS} FROM room WHERE created_by_id = ANY ($1::text[]) ORDER BY created_at DESC, room DESC LIMIT $2"  # noqa: S608
GUESTS = "SELECT sid FROM login_session WHERE actor_id = $1 AND upgraded_at IS NOT NULL ORDER BY upgraded_at DESC LIMIT 100"
LAST = "\U0010ffff"


class FoundUser(NamedTuple):
    """An account in a list."""

    id: str
    username: str | None
    name: str
    email: str | None
    role: str
    created_at: int


class Directory:
    """Reads across people. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, text: str, name: str, before: str | None, limit: int) -> list[FoundUser]:
        """Accounts whose username, name or address begins like that, or whose id it is; the newest first.

        Args:
            text: lower case; empty: all accounts.
            name: the same as names are compared.
            before: only those of a smaller id.
        """
        if not text:
            return [FoundUser(*row) for row in await self._database.fetch(EVERYBODY, before, limit)]
        return [FoundUser(*row) for row in await self._database.fetch(FIND, text, text + LAST, name, name + LAST, before, limit)]

    async def guests_of(self, user: str) -> list[str]:
        """The ids of the guests that a user was, the latest first, at most 100."""
        return [row["sid"] for row in await self._database.fetch(GUESTS, user)]

    async def rooms(
        self, visibility: str | None, is_archived: bool | None, before: tuple[int, str], limit: int
    ) -> list[tuple[str, RoomInfo]]:
        """The newest first: what they are, never what is said in them.

        Args:
            visibility: only of that one.
            is_archived: only such that are, or are not.
            before: (created_at, id) of the last one of the page before.
        """
        return [room_of(row) for row in await self._database.fetch(ROOMS, visibility, is_archived, *before, limit)]

    async def rooms_of(self, founders: Sequence[str], limit: int) -> list[tuple[str, RoomInfo]]:
        """The latest rooms that these actors founded."""
        return [room_of(row) for row in await self._database.fetch(ROOMS_OF, list(founders), limit)]
