"""The job `room-words`: rooms that an older version inserted get the words by which the list finds them."""

from typing import Final

from commonroom.storage.job.job import Step
from commonroom.storage.pool import Connection
from commonroom.storage.projection.room import found_by

__all__ = ["RoomWords"]

LEFT: Final = "SELECT EXISTS (SELECT FROM room WHERE words IS NULL)"
NEXT: Final = "SELECT room, title, topic, tags FROM room WHERE words IS NULL AND room > $1 ORDER BY room LIMIT $2"
# Whoever edits a room meanwhile is newer than what was read: theirs stays.
WRITE: Final = """
UPDATE room r SET words = array_to_tsvector(string_to_array(u.words, ' ')),
    rank_at = greatest(r.rank_at, r.created_at), rank_before = greatest(r.rank_before, r.created_at)
FROM unnest($1::text[], $2::text[]) AS u (room, words) WHERE r.room = u.room AND r.words IS NULL
"""


class RoomWords:
    """Walks the rooms without words by their ids."""

    name = "room-words"
    about = "find rooms of older versions by the words of their titles, topics and tags"

    async def is_needed(self, connection: Connection) -> bool:
        """Whether there is a room without words."""
        return bool(await connection.fetchval(LEFT))

    async def step(self, connection: Connection, checkpoint: str, limit: int) -> Step:
        """The next rooms without words."""
        rows = await connection.fetch(NEXT, checkpoint, limit)
        if rows:
            words = [" ".join(found_by(row["title"], row["topic"], row["tags"])) for row in rows]
            await connection.execute(WRITE, [row["room"] for row in rows], words)
        return Step(rows[-1]["room"] if rows else checkpoint, len(rows), len(rows) < limit)
