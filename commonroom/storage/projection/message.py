"""The projection `message`: messages as they read now, for history."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from commonroom.identity import Principal
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.storage.pool import Connection, Record
from commonroom.storage.projection.message_fold import ProjectedMessage, fold
from commonroom.storage.projection.projection import SlotEvent

__all__ = ["COLUMNS", "MessageProjection", "projected", "room_of"]

COLUMNS = 'm."offset", m.at, m.author_type, m.author_id, m.text, m.nonce, m.edited_at, m.deleted, m.events'
READ = f'SELECT {COLUMNS} FROM message m WHERE m.room = $1 AND m."offset" = ANY ($2) FOR UPDATE'  # noqa: S608 - constants only
WRITE = """
INSERT INTO message (room, "offset", at, author_type, author_id, text, nonce, edited_at, deleted, events)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (room, "offset", at) DO UPDATE
SET text = EXCLUDED.text, edited_at = EXCLUDED.edited_at, deleted = EXCLUDED.deleted, events = EXCLUDED.events
"""
PARTITIONS = "SELECT message_partitions($1)"
MONTH_MS = 28 * 86400 * 1000


class MessageProjection:
    """Creates, edits and deletions, folded into the table `message`."""

    name = "message"

    def __init__(self) -> None:
        self._partitioned_at = 0

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """One read and one write a room and batch."""
        await self._make_partitions(connection, events)
        ordered = sorted(events, key=attrgetter("stream"))  # stable: slot order within a stream
        for stream, group in groupby(ordered, key=attrgetter("stream")):
            await _apply_room(connection, room_of(stream), list(group))

    async def _make_partitions(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        latest = max(one.event.at for one in events)
        if latest > self._partitioned_at + MONTH_MS:
            await connection.execute(PARTITIONS, latest)
            self._partitioned_at = latest


async def _apply_room(connection: Connection, room: str, events: list[SlotEvent]) -> None:
    ours = [one.event for one in events if isinstance(one.event, MessageCreate | MessageUpdate | MessageDelete)]
    if not ours:
        return
    touched = {event.offset if isinstance(event, MessageCreate) else event.message for event in ours}
    rows = await connection.fetch(READ, room, list(touched))
    messages = {row["offset"]: projected(row) for row in rows}
    fold(messages, ours)
    await connection.executemany(WRITE, [_row(room, message) for message in messages.values()])


def room_of(stream: str) -> str:
    """The room of a stream `room/<id>`."""
    return stream.partition("/")[2]


def projected(row: Record) -> ProjectedMessage:
    """A row of the table."""
    author = Principal(row["author_type"], row["author_id"])
    return ProjectedMessage(
        row["offset"], row["at"], author, row["text"], row["nonce"], row["edited_at"], row["deleted"], list(row["events"])
    )


def _row(room: str, message: ProjectedMessage) -> tuple[object, ...]:
    author = message.author
    return (
        room, message.offset, message.at, author.actor_type, author.actor_id,
        message.text, message.nonce, message.edited_at, message.deleted, message.events,
    )  # fmt: skip
