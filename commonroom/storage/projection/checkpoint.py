"""The SQL of a projection's progress: what is pending, how far it has come, what is parked."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from commonroom.errors import Unavailable
from commonroom.storage.pool import Connection

__all__ = ["CheckpointMoved", "PendingEvent", "move", "park", "parked", "parked_events", "parked_in", "pending", "positions", "unpark"]

EVENT = 'e.stream, e."offset", e.slot, e.slot_pos, e.payload, e.private'

PENDING = f"""
SELECT {EVENT}
FROM unnest($1::integer[], $2::bigint[]) AS s (slot, slot_pos)
CROSS JOIN LATERAL (
    SELECT {EVENT} FROM event e WHERE e.slot = s.slot AND e.slot_pos > s.slot_pos ORDER BY e.slot_pos LIMIT $3
) e
ORDER BY e.slot, e.slot_pos
"""  # noqa: S608 - constants only

# What it inserts it does not select.
POSITIONS = """
WITH made AS (INSERT INTO checkpoint (projection, slot) SELECT $1, unnest($2::integer[]) ON CONFLICT DO NOTHING)
SELECT slot, slot_pos FROM checkpoint WHERE projection = $1 AND slot = ANY ($2::integer[])
"""
# Locks in order of slot, so that two runners cannot deadlock.
MOVE = """
WITH held AS MATERIALIZED (
    SELECT c.slot FROM checkpoint c WHERE c.projection = $1 AND c.slot = ANY ($2::integer[]) ORDER BY c.slot FOR NO KEY UPDATE
)
UPDATE checkpoint c SET slot_pos = n.after
FROM held JOIN unnest($2::integer[], $3::bigint[], $4::bigint[]) AS n (slot, before, after) USING (slot)
WHERE c.projection = $1 AND c.slot = n.slot AND c.slot_pos = n.before
"""

PARK = 'INSERT INTO parked (projection, stream, "offset", reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING'
PARKED = "SELECT stream FROM parked WHERE projection = $1 AND stream = ANY ($2::text[])"
PARKED_IN = """
SELECT a.slot, p.stream FROM parked p JOIN actor a ON a.address = p.stream
WHERE p.projection = $1 AND a.slot = ANY ($2::integer[]) ORDER BY p.stream
"""
HOLD = """
SELECT FROM checkpoint c JOIN actor a ON a.slot = c.slot
WHERE c.projection = $1 AND a.address = $2 FOR NO KEY UPDATE OF c
"""
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
    private: bytes | None = None


async def positions(connection: Connection, projection: str, slots: Collection[int]) -> dict[int, int]:
    """The checkpoint of each slot, created at 0 where missing."""
    rows = await connection.fetch(POSITIONS, projection, sorted(slots))
    return dict.fromkeys(slots, 0) | {row["slot"]: row["slot_pos"] for row in rows}


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


async def parked(connection: Connection, projection: str, streams: Collection[str]) -> set[str]:
    """Those of `streams` that are passed over. After `move`, nobody can change that until the transaction ends."""
    return {row["stream"] for row in await connection.fetch(PARKED, projection, list(streams))}


async def parked_in(connection: Connection, projection: str, slots: Collection[int]) -> list[tuple[int, str]]:
    """The streams of these slots that are passed over, with their slots."""
    return [(row["slot"], row["stream"]) for row in await connection.fetch(PARKED_IN, projection, list(slots))]


async def parked_events(connection: Connection, projection: str, stream: str) -> list[PendingEvent]:
    """What was passed over of a stream, up to the checkpoint, which stays there until the transaction ends.

    None where another runner was first to apply them.
    """
    await connection.execute(HOLD, projection, stream)
    return [PendingEvent(*row) for row in await connection.fetch(PARKED_EVENTS, projection, stream)]


async def unpark(connection: Connection, projection: str, stream: str) -> None:
    """The stream has caught up with the checkpoint."""
    await connection.execute(UNPARK, projection, stream)
