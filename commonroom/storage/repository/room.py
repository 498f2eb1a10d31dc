"""Rooms of the projection `room`: how many somebody founded, and what a row says. The public list is in `room_list`."""

from collections.abc import Sequence

from commonroom.errors import Invalid
from commonroom.identity import Principal
from commonroom.protocol.room import RoomInfo
from commonroom.storage.pool import Database, Record

__all__ = ["BEGINNING", "COLUMNS", "Rooms", "position", "room_of"]

COLUMNS = """room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id,
tags, size_limit, theme, timer_policy, slow_ms, locked, host_type, host_id, archived_at"""
FOUNDED = "SELECT count(*) FROM (SELECT FROM room WHERE created_by_id = ANY($1) AND room <> $2 LIMIT $3) AS founded"
BEGINNING = (2**62, "")


class Rooms:
    """Reads across the table `room`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def founded(self, founders: Sequence[str], beside: str, most: int) -> int:
        """How many rooms these principals founded beside that one, counted up to `most`; what was just founded may be missing.

        Args:
            founders: ids of users and guests.
        """
        rows = await self._database.fetch(FOUNDED, list(founders), beside, most)
        return int(rows[0]["count"])


def position(cursor: str) -> tuple[int, str]:
    """A cursor taken apart. Raises Invalid: it is none of ours."""
    created_at, dot, room = cursor.partition(".")
    if not dot or not created_at.isascii() or not created_at.isdigit() or len(created_at) > 16 or not room.isprintable():
        raise Invalid("cursor is not one of ours", field="cursor")
    return int(created_at), room


def room_of(row: Record) -> tuple[str, RoomInfo]:
    """A row that has `COLUMNS`, perhaps beside others."""
    info = RoomInfo(
        row["kind"], row["title"], row["topic"], row["language"], row["visibility"], row["created_at"],
        Principal(row["created_by_type"], row["created_by_id"]),
        row["tags"], row["size_limit"], row["theme"], row["timer_policy"], row["slow_ms"], row["locked"],
        None if row["host_id"] is None else Principal(row["host_type"], row["host_id"]), row["archived_at"],
    )  # fmt: skip
    return row["room"], info
