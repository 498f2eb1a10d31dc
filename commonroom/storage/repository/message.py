"""Message history: what was acknowledged is shown, even when the projection lags.

One statement reads the projected rows and the journal's tail beyond the checkpoint, so
both are of one moment; the projection's own fold joins them (DESIGN 4). The tail is read
by slot position: it costs what the projection lags, not what the room holds.
"""

from collections.abc import Iterable
from contextlib import suppress

import msgspec

from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.codec import decode_event
from commonroom.protocol.wire import MAX_INT, DurablePush
from commonroom.storage.pool import Database
from commonroom.storage.projection.message import COLUMNS, projected
from commonroom.storage.projection.message_fold import ProjectedMessage, fold

__all__ = ["Messages"]

# The second half is empty but for a stream whose projection is parked: checkpoints move over those.
TAIL = """
SELECT e."offset", e.payload FROM actor a
JOIN event e ON e.slot = a.slot AND e.stream = a.address AND e.slot_pos > coalesce(
    (SELECT c.slot_pos FROM checkpoint c WHERE c.projection = 'message' AND c.slot = a.slot), 0)
WHERE a.address = $1
UNION
SELECT e."offset", e.payload FROM parked p
JOIN event e ON e.stream = p.stream AND e."offset" >= p."offset"
WHERE p.projection = 'message' AND p.stream = $1
"""
NOTHING = "NULL::bigint, NULL::text, NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::boolean, NULL::bigint[]"

PAGE = f"""
(SELECT {COLUMNS}, NULL::bytea AS payload FROM message m
 WHERE m.room = $2 AND m."offset" < $3 ORDER BY m."offset" DESC LIMIT $4)
UNION ALL
(SELECT t."offset", {NOTHING}, t.payload FROM ({TAIL}) t ORDER BY t."offset")
"""  # noqa: S608 - constants only

EVENTS_OF = f"""
SELECT e.payload FROM event e
WHERE e.stream = $1 AND e."offset" IN (
    SELECT unnest(m.events) FROM message m WHERE m.room = $2 AND m."offset" = $3
    UNION SELECT t."offset" FROM ({TAIL}) t)
ORDER BY e."offset"
"""  # noqa: S608 - constants only

KIND = "room"


class Messages:
    """Reads of a room's messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, room: str, before: int | None, limit: int) -> tuple[list[ProjectedMessage], bool]:
        """The latest `limit` messages before the offset `before`, oldest first, and whether there are older ones."""
        upper = MAX_INT if before is None else before
        rows = await self._database.fetch(PAGE, f"{KIND}/{room}", room, upper, limit + 1)
        messages = {row["offset"]: projected(row) for row in rows if row["payload"] is None}
        fold(messages, _known(row["payload"] for row in rows if row["payload"] is not None))
        latest = sorted((message for message in messages.values() if message.offset < upper), key=lambda one: one.offset)
        return latest[-limit:], len(latest) > limit

    async def events_of(self, room: str, offset: int) -> tuple[DurablePush, ...]:
        """The events of the message at `offset`: creation, edits, deletion; none if there is no such message."""
        rows = await self._database.fetch(EVENTS_OF, f"{KIND}/{room}", room, offset)
        return tuple(_of_message(offset, _known(row["payload"] for row in rows)))


def _known(payloads: Iterable[bytes]) -> Iterable[DurablePush]:
    """The events this version knows; the projection has raised the alarm for others."""
    for payload in payloads:
        with suppress(msgspec.MsgspecError):
            yield decode_event(payload)


def _of_message(offset: int, events: Iterable[DurablePush]) -> Iterable[DurablePush]:
    for event in events:
        created = isinstance(event, MessageCreate) and event.offset == offset
        if created or (isinstance(event, MessageUpdate | MessageDelete) and event.message == offset):
            yield event
