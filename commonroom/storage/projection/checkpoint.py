"""The SQL of a projection's progress: what is pending, how far it has come, what is parked."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from commonroom.errors import Unavailable
from commonroom.storage.pool import Connection

__all__ = ["CheckpointMoved", "PendingEvent", "move", "park", "parked", "parked_events", "pending", "positions", "unpark"]

EVENT = 'e.stream, e."offset", e.slot, e.slot_pos, e.payload'

PENDING = f"""
SELECT {EVENT}
FROM unnest($1::integer[], $2::bigint[]) AS s (slot, slot_pos)
CROSS JOIN LATERAL (
    SELECT {EVENT} FROM event e WHERE e.slot = s.slot AND e.slot_pos > s.slot_pos ORDER BY e.slot_pos LIMIT $3
) e
ORDER BY e.slot, e.slot_pos
"""  # noqa: S608 - constants only

CREATE = "INSERT INTO checkpoint (projection, slot) SELECT $1, unnest($2::integer[]) ON CONFLICT DO NOTHING"
POSITIONS = "SELECT slot, slot_pos FROM checkpoint WHERE projection = $1 AND slot = ANY ($2::integer[])"
MOVE = """
UPDATE checkpoint c SET slot_pos = n.after
FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS n (slot, before, after)
WHERE c.projection = $1 AND c.slot = n.slot AND c.slot_pos = n.before
"""

PARK = 'INSERT INTO parked (projection, stream, "offset", reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING'
PARKED = "SELECT stream FROM parked WHERE projection = $1"
PARKED_EVENTS = f"""
SELECT {EVENT}
FROM parked p
JOIN event e ON e.stream = p.stream AND e."offset" >= p."offset"
JOIN checkpoint c ON c.projection = p.projection AND c.slot = e.slot AND e.slot_pos <= c.slot_pos
WHERE p.projection = $1 AND p.stream = $2 ORDER BY e."offset"
"""  # noqa: S608 - constants only
UNPARK = "DELETE FROM parked WHERE projection = $1 AND stream = $2"


class CheckpointMoved(Unavailable):
    """Another runner moved a checkpoint: read where it is now and go on from there."""


class PendingEvent(NamedTuple):
    """An event as it stands in the journal, not decoded yet."""

    stream: str
    offset: int
    slot: int
    slot_pos: int
    payload: bytes


async def positions(connection: Connection, projection: str, slots: Sequence[int]) -> dict[int, int]:
    """The checkpoint of each slot, created at 0 where missing."""
    await connection.execute(CREATE, projection, slots)
    return {row["slot"]: row["slot_pos"] for row in await connection.fetch(POSITIONS, projection, slots)}


async def pending(connection: Connection, after: Mapping[int, int], limit: int) -> list[PendingEvent]:
    """The next events of each slot, at most `limit` a slot."""
    return [PendingEvent(*row) for row in await connection.fetch(PENDING, list(after), list(after.values()), limit)]


async def move(connection: Connection, projection: str, before: Mapping[int, int], after: Mapping[int, int]) -> None:
    """Compare and set, before anything is applied: a second runner waits here and then fails.

    Raises:
        CheckpointMoved: a checkpoint was not where `before` says; roll back.
    """
    slots = list(after)
    tag = await connection.execute(MOVE, projection, slots, [before[slot] for slot in slots], list(after.values()))
    if tag != f"UPDATE {len(slots)}":
        raise CheckpointMoved(f"checkpoints of {projection} were moved by somebody else")


async def park(connection: Connection, projection: str, event: PendingEvent, reason: str) -> None:
    """Pass the stream over from this event on."""
    await connection.execute(PARK, projection, event.stream, event.offset, reason)


async def parked(connection: Connection, projection: str) -> set[str]:
    """The streams passed over."""
    return {row["stream"] for row in await connection.fetch(PARKED, projection)}


async def parked_events(connection: Connection, projection: str, stream: str) -> list[PendingEvent]:
    """What was passed over of a stream, up to the checkpoint."""
    return [PendingEvent(*row) for row in await connection.fetch(PARKED_EVENTS, projection, stream)]


async def unpark(connection: Connection, projection: str, stream: str) -> None:
    """The stream has caught up with the checkpoint."""
    await connection.execute(UNPARK, projection, stream)
