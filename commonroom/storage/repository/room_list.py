"""The public list of rooms (FEATURES P17, P18). All of it is read from the view `listed_room`, which holds nothing else.

Ordered by activity, a page neither skips nor repeats a room that is there all along, whatever becomes active meanwhile,
though a cursor is all that is remembered: it says as of when the walk began. A room's rank moves at most once in 10
minutes, and its rank before that is kept; so where the room stood then is known for 10 minutes:

    its key = rank_at      where that is not later than as_of
              rank_before  else

Keys as of a moment do not change once all ranks up to it are committed, hence `MARGIN_MS`. In a longer walk, who was
active twice since its beginning may be skipped, and is not repeated. Ordered by age, keys never change.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from commonroom.errors import Invalid
from commonroom.protocol.listing import ListedRoom
from commonroom.protocol.room import RoomInfo
from commonroom.protocol.timer import Phase
from commonroom.storage.pool import Database, Record
from commonroom.storage.repository.room import COLUMNS, room_of

__all__ = ["ListSize", "ListSort", "ListStatus", "RoomList", "RoomOfList", "Wanted", "is_active"]

ListSort = Literal["activity", "newest"]
ListSize = Literal["small", "medium", "large"]
ListStatus = Literal["active", "idle"]

MARGIN_MS: Final = 5_000
"""A rank is committed so long after its time, at the latest: `room_summarize` waits 2 s for locks and then for nothing."""

STEP_MS: Final = 10_000
"""Walks that begin within one step have one `as_of`, so that an unchanged page is the same bytes."""

ACTIVE_MS: Final = 600_000
"""So long after its last event a room where somebody is counts as active. Also how often its rank moves, in `room_summarize`."""

MINUTE_MS: Final = 60_000

LONGEST_MS: Final = 86_400_000
"""A walk may take so long."""

SIZES: Final[Mapping[ListSize, str]] = {"small": "present <= 5", "medium": "present BETWEEN 6 AND 20", "large": "present > 20"}

SHOWN = f"{COLUMNS}, present, phase, ends_at, active_at"

NEWEST = """
SELECT {shown}, created_at AS key FROM listed_room WHERE (created_at, room) < ({key}, {room}) {wanted}
ORDER BY created_at DESC, room DESC LIMIT {limit}
"""
# The second part holds what became active since: few, found by the same index.
ACTIVITY = """
SELECT * FROM (
    (SELECT {shown}, rank_at AS key FROM listed_room WHERE rank_at <= {as_of} AND (rank_at, room) < ({key}, {room}) {wanted}
     ORDER BY rank_at DESC, room DESC LIMIT {limit})
    UNION ALL
    (SELECT {shown}, rank_before AS key FROM listed_room WHERE rank_at > {as_of} AND (rank_before, room) < ({key}, {room}) {wanted}
     ORDER BY rank_before DESC, room DESC LIMIT {limit})
) AS found ORDER BY key DESC, room DESC LIMIT {limit}
"""
NOW = "SELECT room, present, phase, ends_at FROM listed_room WHERE room = ANY ($1::text[])"

CURSOR: Final = re.compile(r"([an])([0-9]{1,16})\.([0-9]{1,16})\.([0-9a-z:._-]{1,120})")
BEGINNING: Final = 10**16


class Wanted(NamedTuple):
    """What of the list somebody wants to see; None: whatever it is.

    Attributes:
        language: a primary subtag means all its regions.
        tag: one of the room's.
        size: by how many are there: up to 5, up to 20, more.
        words: the room has all of them, or words that begin so; folded. Empty: it has none that could be looked for.
    """

    sort: ListSort = "activity"
    language: str | None = None
    tag: str | None = None
    size: ListSize | None = None
    status: ListStatus | None = None
    words: tuple[str, ...] | None = None


class RoomOfList(NamedTuple):
    """A room of the list. `phase` and `ends_at` are those of a running timer."""

    room: str
    info: RoomInfo
    present: int
    phase: Phase | None
    ends_at: int | None
    active_at: int
    status: ListStatus


class _Place(NamedTuple):
    """Where a walk is: behind this room, by its key as of then."""

    as_of: int
    key: int
    room: str


class RoomList:
    """Reads of the list. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self.pages = 0
        """Pages read since the start, one statement each."""
        self._database = database

    async def page(self, wanted: Wanted, cursor: str | None, limit: int, now: int) -> tuple[list[RoomOfList], str | None]:
        """A page, and the next one's cursor (None: there is no more). One statement.

        Args:
            now: cluster ms.

        Raises:
            Invalid: the cursor is none of ours, of another order, or more than a day old.
        """
        place = _Place((now - MARGIN_MS) // STEP_MS * STEP_MS, BEGINNING, "") if cursor is None else _place(cursor, wanted.sort, now)
        if wanted.words is not None and not wanted.words:
            return [], None
        statement, values = _statement(wanted, place, limit + 1, now)
        self.pages += 1
        rows = await self._database.fetch(statement, *values)
        shown = [_listed(row, now) for row in rows[:limit]]
        if len(rows) <= limit:
            return shown, None
        last = rows[limit - 1]
        return shown, f"{wanted.sort[0]}{place.as_of}.{last['key']}.{last['room']}"

    async def now(self, rooms: Sequence[str]) -> list[ListedRoom]:
        """How these are now, those of the list alone. One statement."""
        return [ListedRoom(*row) for row in await self._database.fetch(NOW, list(rooms))]


def is_active(present: int, ends_at: int | None, active_at: int, now: int) -> bool:
    """FEATURES P18: a timer runs, or somebody is there and something happened within 10 minutes, to the minute."""
    return (ends_at is not None and ends_at > now) or (present > 0 and active_at >= _active_since(now))


def _active_since(now: int) -> int:
    return now // MINUTE_MS * MINUTE_MS - ACTIVE_MS


def _place(cursor: str, sort: ListSort, now: int) -> _Place:
    found = CURSOR.fullmatch(cursor)
    if found is None or found[1] != sort[0] or (as_of := int(found[2])) > now:
        raise Invalid("cursor is not one of ours", field="cursor")
    if as_of < now - LONGEST_MS:
        raise Invalid("cursor is more than a day old: begin again", field="cursor")
    return _Place(as_of, int(found[3]), found[4])


def _statement(wanted: Wanted, place: _Place, limit: int, now: int) -> tuple[str, list[Any]]:
    """Few different texts, so that each is prepared once; all that anybody wrote goes as a value."""
    values: list[Any] = []

    def value(given: Any, kind: str) -> str:
        values.append(given)
        return f"${len(values)}::{kind}"

    parts = {"shown": SHOWN, "key": value(place.key, "bigint"), "room": value(place.room, "text"), "limit": value(limit, "bigint")}
    if wanted.sort == "activity":
        parts["as_of"] = value(place.as_of, "bigint")
    parts["wanted"] = "".join(f" AND {condition}" for condition in _conditions(wanted, now, value))
    return (ACTIVITY if wanted.sort == "activity" else NEWEST).format(**parts), values


def _conditions(wanted: Wanted, now: int, value: Callable[[Any, str], str]) -> list[str]:
    conditions = []
    if wanted.language is not None:
        primary, _, region = wanted.language.partition("-")
        conditions.append(f"primary_language = {value(primary, 'text')}")
        if region:
            conditions.append(f"language = {value(wanted.language, 'text')}")
    if wanted.tag is not None:
        conditions.append(f"tags @> ARRAY[{value(wanted.tag, 'text')}]")
    if wanted.words is not None:
        conditions.append(f"words @@ {value(' & '.join(map(_prefix, wanted.words)), 'text')}::tsquery")
    if wanted.size is not None:
        conditions.append(SIZES[wanted.size])
    if wanted.status is not None:
        is_here = f"present > 0 AND active_at >= {value(_active_since(now), 'bigint')}"
        active = f"(coalesce(ends_at > {value(now, 'bigint')}, false) OR ({is_here}))"
        conditions.append(active if wanted.status == "active" else f"NOT {active}")
    return conditions


def _prefix(word: str) -> str:
    quoted = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}':*"


def _listed(row: Record, now: int) -> RoomOfList:
    room, info = room_of(row)
    present, ends_at, active_at = row["present"], row["ends_at"], row["active_at"]
    status: ListStatus = "active" if is_active(present, ends_at, active_at, now) else "idle"
    return RoomOfList(room, info, present, row["phase"], ends_at, active_at, status)
