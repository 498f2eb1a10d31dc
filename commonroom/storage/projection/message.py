"""The projection `message`: messages as they read now, for history."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from commonroom.identity import Principal
from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.registry import tag_of
from commonroom.storage.pool import Connection, Record
from commonroom.storage.projection.message_fold import ProjectedMessage, fold, has_audience
from commonroom.storage.projection.projection import SlotEvent

__all__ = ["COLUMNS", "MessageProjection", "projected", "room_of"]

COLUMNS = (
    'm."offset", m.at, m.author_type, m.author_id, m.text, m.nonce, m.edited_at, m.deleted, m.events, m.is_aside, m.aside_text, m.aside_at'
)
READ = f"""
SELECT m.room, {COLUMNS} FROM unnest($1::text[], $2::bigint[]) AS k (room, "offset")
JOIN message m ON m.room = k.room AND m."offset" = k."offset"
"""  # noqa: S608 - constants only
WRITE = """
INSERT INTO message (room, "offset", at, author_type, author_id, text, nonce, edited_at, deleted, events, is_aside, aside_text, aside_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (room, "offset", at) DO UPDATE
SET text = EXCLUDED.text, edited_at = EXCLUDED.edited_at, deleted = EXCLUDED.deleted, events = EXCLUDED.events,
    aside_text = EXCLUDED.aside_text, aside_at = EXCLUDED.aside_at
"""
CREATE = """
INSERT INTO message (room, "offset", at, author_type, author_id, text, nonce, deleted, is_aside, events)
SELECT room, "offset", at, author_type, author_id, text, nonce, deleted, is_aside, ARRAY["offset"]
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::boolean[])
    AS u (room, "offset", at, author_type, author_id, text, nonce, deleted, is_aside)
ON CONFLICT (room, "offset", at) DO UPDATE
SET text = EXCLUDED.text, edited_at = EXCLUDED.edited_at, deleted = EXCLUDED.deleted, events = EXCLUDED.events
"""
PARTITIONS = "SELECT message_partitions($1)"
_MessageEvent: TypeAlias = MessageCreate | MessageUpdate | MessageDelete

MONTH_MS = 28 * 86400 * 1000


class MessageProjection:
    """Creates, edits and deletions, folded into the table `message`."""

    name = "message"
    wants = frozenset({tag_of(MessageCreate), tag_of(MessageUpdate), tag_of(MessageDelete)})

    def __init__(self) -> None:
        self._partitioned_at = 0

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """One read and one write a batch, whatever the number of rooms."""
        by_room: dict[str, list[_MessageEvent]] = {}
        aside: dict[str, set[int]] = {}
        for one in events:
            if isinstance(one.event, MessageCreate | MessageUpdate | MessageDelete):
                by_room.setdefault(room_of(one.stream), []).append(one.event)
                if has_audience(one.private):
                    aside.setdefault(room_of(one.stream), set()).add(one.event.offset)
        if not by_room:
            return
        await self._make_partitions(connection, max(event.at for ours in by_room.values() for event in ours))
        messages = await _read(connection, by_room)
        for room, ours in by_room.items():
            fold(messages[room], ours, aside.get(room, ()))
        await _write(connection, [(room, message) for room, found in messages.items() for message in found.values()])

    async def _make_partitions(self, connection: Connection, latest: int) -> None:
        if latest > self._partitioned_at + MONTH_MS:
            await connection.execute(PARTITIONS, latest)
            self._partitioned_at = latest


async def _read(connection: Connection, by_room: Mapping[str, Sequence[_MessageEvent]]) -> dict[str, dict[int, ProjectedMessage]]:
    """The messages of earlier batches that the events change, as they stand."""
    touched = {(room, event.message) for room, ours in by_room.items() for event in ours if not isinstance(event, MessageCreate)}
    found: dict[str, dict[int, ProjectedMessage]] = {room: {} for room in by_room}
    if touched:
        for row in await connection.fetch(READ, [room for room, _ in touched], [offset for _, offset in touched]):
            found[row["room"]][row["offset"]] = projected(row)
    return found


async def _write(connection: Connection, messages: Sequence[tuple[str, ProjectedMessage]]) -> None:
    """Most are as they were created, and go in one statement: a third of the cost of one each."""
    created = [
        (*_row(room, message)[:6], message.nonce, message.deleted, message.is_aside)
        for room, message in messages if len(message.events) == 1
    ]  # fmt: skip
    changed = [_row(room, message) for room, message in messages if len(message.events) > 1]
    if created:
        await connection.execute(CREATE, *(list(column) for column in zip(*created, strict=True)))
    if changed:
        await connection.executemany(WRITE, changed)


def room_of(stream: str) -> str:
    """The room of a stream `room/<id>`."""
    return stream.partition("/")[2]


def projected(row: Record) -> ProjectedMessage:
    """A row of the table."""
    author = Principal(row["author_type"], row["author_id"])
    aside = None if row["aside_text"] is None else (row["aside_text"], row["aside_at"])
    return ProjectedMessage(
        row["offset"], row["at"], author, row["text"], row["nonce"], row["edited_at"], row["deleted"], list(row["events"]),
        row["is_aside"], aside,
    )  # fmt: skip


def _row(room: str, message: ProjectedMessage) -> tuple[object, ...]:
    author = message.author
    return (
        room, message.offset, message.at, author.actor_type, author.actor_id,
        message.text, message.nonce, message.edited_at, message.deleted, message.events, message.is_aside, *(message.aside or (None, None)),
    )  # fmt: skip
