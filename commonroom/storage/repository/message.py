"""Message history: what was acknowledged is shown, even when the projection lags.

One statement reads the projected rows and the journal's tail beyond the checkpoint, so
both are of one moment; the projection's own fold joins them (DESIGN 4). The tail is read
by slot position: it costs what the projection lags, not what the room holds.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

import msgspec

from commonroom.protocol.chat import MessageCreate, MessageDelete, MessageUpdate
from commonroom.protocol.codec import decode_event
from commonroom.protocol.wire import MAX_INT, DurablePush
from commonroom.storage.pool import Database, Record
from commonroom.storage.projection.message import COLUMNS, projected
from commonroom.storage.projection.message_fold import ProjectedMessage, fold, has_audience

__all__ = ["Messages"]

# The second half is empty but for a stream whose projection is parked: checkpoints move over those.
TAIL = """
SELECT e."offset", e.payload, e.private FROM actor a
JOIN event e ON e.slot = a.slot AND e.stream = a.address AND e.slot_pos > coalesce(
    (SELECT c.slot_pos FROM checkpoint c WHERE c.projection = 'message' AND c.slot = a.slot), 0)
WHERE a.address = $1
UNION
SELECT e."offset", e.payload, e.private FROM parked p
JOIN event e ON e.stream = p.stream AND e."offset" >= p."offset"
WHERE p.projection = 'message' AND p.stream = $1
"""
NOTHING = (
    "NULL::bigint, NULL::text, NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::boolean, NULL::bigint[], "
    "NULL::boolean, NULL::text, NULL::bigint"
)

PROJECTED = f"""
SELECT {COLUMNS}, NULL::bytea AS payload, NULL::bytea AS private FROM message m
WHERE m.room = $2 AND (NOT m.is_aside OR m.author_id = ANY ($3::text[]))
"""  # noqa: S608 - constants only
BEYOND = f"""
SELECT t."offset", {NOTHING}, t.payload, t.private FROM ({TAIL}) t ORDER BY t."offset"
"""  # noqa: S608 - constants only
PAGE = f"""
({PROJECTED} AND m."offset" < $4 AND m.author_id <> ALL ($6::text[]) ORDER BY m."offset" DESC LIMIT $5)
UNION ALL
({BEYOND})
"""
AROUND = f"""
({PROJECTED} AND m."offset" <= $4 ORDER BY m."offset" DESC LIMIT $5)
UNION ALL
({PROJECTED} AND m."offset" > $4 ORDER BY m."offset" LIMIT $6)
UNION ALL
({BEYOND})
"""

EVENTS_OF = f"""
SELECT e.payload, e.private FROM event e
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

    async def page(
        self, room: str, before: int | None, limit: int, actors: Collection[str] = (), hidden: Collection[str] = ()
    ) -> tuple[list[ProjectedMessage], bool]:
        """The latest `limit` messages before the offset `before`, oldest first, and whether there are older ones.

        Args:
            actors: who reads them is, and was; they see what is shown to its author alone, too.
            hidden: whose messages they do not see.
        """
        upper = MAX_INT if before is None else before
        rows = await self._database.fetch(PAGE, f"{KIND}/{room}", room, list(actors), upper, limit + 1, list(hidden))
        read = (message for message in _read(rows, actors) if message.author.actor_id not in hidden)
        latest = [message for message in read if message.offset < upper]
        return latest[-limit:], len(latest) > limit

    async def around(self, room: str, offset: int, before: int, after: int, actors: Collection[str]) -> list[ProjectedMessage]:
        """The message at `offset` with so many before and after it, oldest first; empty: they do not see it. `actors` as of `page`."""
        rows = await self._database.fetch(AROUND, f"{KIND}/{room}", room, list(actors), offset, before + 1, after)
        messages = _read(rows, actors)
        place = next((place for place, message in enumerate(messages) if message.offset == offset), None)
        return [] if place is None else messages[max(0, place - before) : place + after + 1]

    async def events_of(self, room: str, offset: int) -> tuple[tuple[DurablePush, ...], frozenset[int]]:
        """The events of the message at `offset`: creation, edits, deletion; none if there is no such message.

        Returns:
            Those, and the offsets of those that only their author sees.
        """
        rows = await self._database.fetch(EVENTS_OF, f"{KIND}/{room}", room, offset)
        events, aside = _known(rows)
        own = tuple(_of_message(offset, events))
        return own, aside.intersection(event.offset for event in own)


def _read(rows: Iterable[Record], actors: Collection[str]) -> list[ProjectedMessage]:
    """Rows of the projection and of the tail, folded; as these actors see them, in order."""
    messages: dict[int, ProjectedMessage] = {}
    beyond: list[Record] = []
    for row in rows:
        if row["payload"] is None:
            messages[row["offset"]] = projected(row)
        else:
            beyond.append(row)
    fold(messages, *_known(beyond))
    seen = (message.seen_by(actors) for message in messages.values())
    return sorted((message for message in seen if message is not None), key=lambda one: one.offset)


def _known(rows: Iterable[Record]) -> tuple[Sequence[DurablePush], frozenset[int]]:
    """The events this version knows, and which of them have an audience. The projection has raised the alarm for others."""
    events: list[DurablePush] = []
    aside: list[int] = []
    for row in rows:
        with suppress(msgspec.MsgspecError):
            events.append(event := decode_event(row["payload"]))
            if has_audience(row["private"]):
                aside.append(event.offset)
    return events, frozenset(aside)


def _of_message(offset: int, events: Iterable[DurablePush]) -> Iterable[DurablePush]:
    for event in events:
        created = isinstance(event, MessageCreate) and event.offset == offset
        if created or (isinstance(event, MessageUpdate | MessageDelete) and event.message == offset):
            yield event
