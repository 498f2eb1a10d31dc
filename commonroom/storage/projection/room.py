"""The projection `room`: what lists show."""

from collections.abc import Sequence

from commonroom.protocol.registry import tag_of
from commonroom.protocol.room import RoomCreated
from commonroom.storage.pool import Connection
from commonroom.storage.projection.message import room_of
from commonroom.storage.projection.projection import SlotEvent

__all__ = ["RoomProjection"]

WRITE = """
INSERT INTO room (room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (room) DO NOTHING
"""


class RoomProjection:
    """A row for each `room.created`."""

    name = "room"
    wants = frozenset({tag_of(RoomCreated)})

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """One write a batch."""
        rows = [_row(one.stream, one.event) for one in events if isinstance(one.event, RoomCreated)]
        if rows:
            await connection.executemany(WRITE, rows)


def _row(stream: str, event: RoomCreated) -> tuple[object, ...]:
    info = event.info
    creator = info.created_by
    return (
        room_of(stream), info.kind, info.title, info.topic, info.language, info.visibility,
        info.created_at, creator.actor_type, creator.actor_id,
    )  # fmt: skip
