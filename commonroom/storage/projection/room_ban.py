"""The projection `room_ban`: whom rooms keep out, for lists that must not show them."""

from collections.abc import Sequence

from commonroom.identity import Principal
from commonroom.protocol.moderation import RoomModerated
from commonroom.protocol.registry import tag_of
from commonroom.storage.pool import Connection
from commonroom.storage.projection.message import room_of
from commonroom.storage.projection.projection import SlotEvent

__all__ = ["RoomBanProjection"]

BAN = """
INSERT INTO room_ban (room, person_type, person_id, "until") VALUES ($1, $2, $3, $4)
ON CONFLICT (room, person_id, person_type) DO UPDATE SET "until" = excluded."until"
"""
UNBAN = "DELETE FROM room_ban WHERE room = $1 AND person_type = $2 AND person_id = $3"


class RoomBanProjection:
    """A row for each ban that was not lifted. Those that ended by themselves are purged."""

    name = "room_ban"
    wants = frozenset({tag_of(RoomModerated)})

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """In order: there are few. A ban takes the place of those of the guests whom its person was, as in the room."""
        for one in events:
            event = one.event
            if not isinstance(event, RoomModerated):
                continue
            room = room_of(one.stream)
            if event.action == "ban":
                await _unban(connection, room, event.guests)
                await connection.execute(BAN, room, event.person.actor_type, event.person.actor_id, event.until)
            elif event.action == "unban":
                await _unban(connection, room, (event.person, *event.guests))


async def _unban(connection: Connection, room: str, people: Sequence[Principal]) -> None:
    for person in people:
        await connection.execute(UNBAN, room, person.actor_type, person.actor_id)
