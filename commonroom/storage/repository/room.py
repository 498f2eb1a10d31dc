"""The public list of rooms, from the projection `room`."""

from commonroom.errors import Invalid
from commonroom.identity import Principal
from commonroom.protocol.room import RoomInfo
from commonroom.storage.pool import Database, Record

__all__ = ["Rooms"]

COLUMNS = "room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id"
PAGE = f"""
SELECT {COLUMNS} FROM room
WHERE visibility = 'public' AND (created_at, room) < ($1, $2)
ORDER BY created_at DESC, room DESC LIMIT $3
"""  # noqa: S608 - constants only
BEGINNING = (2**62, "")


class Rooms:
    """Reads of the table `room`. Unlisted and private rooms are out of its reach by construction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, cursor: str | None, limit: int) -> tuple[list[tuple[str, RoomInfo]], str | None]:
        """Public rooms, newest first, and the next page's cursor (None: there is no more).

        Keyset: a page neither skips nor repeats a room while others come.

        Raises:
            Invalid: the cursor is not one of ours.
        """
        created_at, room = BEGINNING if cursor is None else _position(cursor)
        rows = await self._database.fetch(PAGE, created_at, room, limit + 1)
        shown = [_room(row) for row in rows[:limit]]
        if len(rows) <= limit or not shown:
            return shown, None
        last, info = shown[-1]
        return shown, f"{info.created_at}.{last}"


def _position(cursor: str) -> tuple[int, str]:
    created_at, dot, room = cursor.partition(".")
    if not dot or not created_at.isascii() or not created_at.isdigit() or len(created_at) > 16 or not room.isprintable():
        raise Invalid("cursor is not one of ours", field="cursor")
    return int(created_at), room


def _room(row: Record) -> tuple[str, RoomInfo]:
    creator = Principal(row["created_by_type"], row["created_by_id"])
    return row["room"], RoomInfo(row["kind"], row["title"], row["topic"], row["language"], row["visibility"], row["created_at"], creator)
