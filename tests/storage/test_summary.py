"""Summaries on PostgreSQL: only what differs is written, by whoever owns the slot, and nobody stays behind in it."""

import asyncio
from collections.abc import Sequence

import pytest

from commonroom.engine.address import slot_of
from commonroom.ids import new_id
from commonroom.protocol.listing import RoomSummary
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.pool import Database
from commonroom.storage.repository.room_list import ACTIVE_MS
from commonroom.storage.slot_table import PostgresSlotTable
from commonroom.storage.summary import RoomSummaries, Summary
from tests.storage.rooms import MINUTE_MS, Rooms, summary_of

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND query LIKE '%room_summarize%' AND datname = current_database()
"""
CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
IDLE = RoomSummary(0, None, None, 60_000)
RUNNING = RoomSummary(4, "focus", 2**41, 60_000)


@pytest.fixture
async def rooms(database: Database, journal: PostgresJournal) -> Rooms:
    made = Rooms(database)
    await made.learn_epochs()
    return made


async def test_P15_a_summary_is_written_before_its_room_is_projected(rooms: Rooms, database: Database) -> None:
    room = "z" + rooms.tag
    assert await rooms.summaries.write([], [summary_of(room, RUNNING)]) == [], "nobody can show it yet"
    assert await present(database, room) == 4


async def test_P15_what_says_the_same_writes_no_row(rooms: Rooms, database: Database) -> None:
    room = await rooms.add()
    assert await rooms.summaries.write([], [summary_of(room, RUNNING)]) == [room]
    before = await version(database, room)
    assert await rooms.summaries.write([], [summary_of(room, RUNNING)]) == []
    assert await version(database, room) == before
    assert await rooms.summaries.write([], [summary_of(room, IDLE)]) == [room]
    assert await version(database, room) != before


async def test_P15_what_changes_of_a_summary_is_in_no_index(rooms: Rooms, database: Database) -> None:
    """So that PostgreSQL updates the row in place (HOT), as often as it may be written."""
    columns = await database.fetch(
        """
        SELECT DISTINCT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = 'room_summary'::regclass
        """
    )
    assert {row["attname"] for row in columns} == {"room", "slot"}
    assert await database.fetchval("SELECT count(*) FROM pg_index WHERE indrelid = 'room_summary'::regclass AND indpred IS NOT NULL") == 0


async def test_the_last_activity_never_goes_back(rooms: Rooms, database: Database) -> None:
    room = await rooms.add()
    await rooms.summaries.write([], [summary_of(room, RoomSummary(1, None, None, 5 * MINUTE_MS))])
    await rooms.summaries.write([], [summary_of(room, RoomSummary(2, None, None, 0))])
    assert await database.fetchval("SELECT active_at FROM room_summary WHERE room = $1", room) == 5 * MINUTE_MS


async def test_who_lost_the_slot_writes_nothing_and_the_others_of_the_call_are_written(rooms: Rooms, database: Database) -> None:
    lost = await rooms.add()
    kept = await rooms.add(beside(lost, same=False))
    former = RoomSummaries(database, lambda slots: {slot: rooms.epochs[slot] - (slot == slot_of(f"room/{lost}")) for slot in slots})
    assert await former.write([], [summary_of(room, RUNNING) for room in (lost, kept)]) == [kept]
    assert await present(database, lost) is None


async def test_a_slot_that_is_not_open_here_is_not_asked_about(rooms: Rooms, database: Database) -> None:
    nothing = RoomSummaries(database, lambda _slots: {})
    before = database.statements
    assert await nothing.write([1, 2], [summary_of(await rooms.add(), RUNNING)]) == ()
    assert database.statements == before + 3, "the room's own projection: begin, write, commit"


async def test_opening_a_slot_empties_its_rooms_but_those_that_say_who_is_there(rooms: Rooms, database: Database) -> None:
    left = await rooms.add()
    back = await rooms.add(beside(left, same=True))
    await rooms.summaries.write([], [summary_of(room, RUNNING) for room in (left, back)])
    changed = await rooms.summaries.write([slot_of(f"room/{left}")], [summary_of(back, RUNNING)])
    assert (left in changed, back in changed) == (True, False)  # others may be in that slot, too
    assert (await present(database, left), await present(database, back)) == (0, 4)
    (row,) = await database.fetch("SELECT phase, ends_at FROM room_summary WHERE room = $1", left)
    assert tuple(row) == ("focus", 2**41), "the timer runs on"


async def test_a_write_under_way_when_the_slot_moves_does_not_outlive_the_opening(
    rooms: Rooms, database: Database, journal: PostgresJournal
) -> None:
    """The former owner's statement has written one room and waits for another. The slot moves, and its new owner empties it."""
    first = await rooms.add("0" + rooms.tag)
    room = await rooms.add(beside(first, same=True))
    slot = slot_of(f"room/{room}")
    old = RoomSummaries(database, journal.epochs)
    await old.write([], [summary_of(first, IDLE), summary_of(room, RUNNING)])
    async with database.transaction() as connection:
        await connection.execute("SELECT FROM room_summary WHERE room = $1 FOR UPDATE", room)
        late = asyncio.ensure_future(old.write([], [summary_of(one, RoomSummary(9, None, None, 60_000)) for one in (first, room)]))
        await until_waiting(database, 1)
        moved = await PostgresSlotTable(database).move({slot: journal.epoch(slot)}, "another")
        opening = asyncio.ensure_future(RoomSummaries(database, lambda _slots: moved).write([slot], []))
        await until_waiting(database, 2, opening)
    await asyncio.gather(late, opening)
    assert [await present(database, one) for one in (first, room)] == [0, 0]
    assert await old.write([], [summary_of(room, RUNNING)]) == [], "from now on it is refused"
    assert await present(database, room) == 0
    await journal.open_slots(moved)


async def test_a_rank_moves_with_activity_and_not_with_people(rooms: Rooms, database: Database) -> None:
    room = await rooms.add()
    start = rooms.now
    rooms.now += ACTIVE_MS + 5 * MINUTE_MS
    await rooms.say(room, 3, active_at=start)
    assert await rank(database, room) == (start, start)
    await rooms.say(room, 3)
    assert await rank(database, room) == (rooms.now, start)
    moved = rooms.now
    rooms.now += ACTIVE_MS - 1
    await rooms.say(room, 3)
    assert await rank(database, room) == (moved, start), "not within ten minutes of the last time"


async def test_a_rank_is_of_the_moment_it_is_written_in(rooms: Rooms, database: Database) -> None:
    """By PostgreSQL's clock: whoever computed it before might have slept since."""
    room = await rooms.add(created_at=1)
    now = await database.fetchval(CLOCK)
    await rooms.summaries.write([], [summary_of(room, RoomSummary(1, None, None, now))])
    moved, before = await rank(database, room)
    assert now <= moved <= await database.fetchval(CLOCK)
    assert before == 1


async def test_many_rooms_are_one_statement(rooms: Rooms, database: Database) -> None:
    made = [await rooms.add() for _ in range(20)]
    before = database.statements
    assert set(await rooms.summaries.write([], [summary_of(room, RUNNING) for room in made])) == set(made)
    assert database.statements == before + 1


async def test_summaries_of_what_is_no_room_go_nowhere(rooms: Rooms) -> None:
    assert await rooms.summaries.write([], [Summary("somebody", 3, rooms.infos)]) == ()  # type: ignore[arg-type]


async def present(database: Database, room: str) -> int | None:
    found: int | None = await database.fetchval("SELECT present FROM room_summary WHERE room = $1", room)
    return found


async def version(database: Database, room: str) -> object:
    return await database.fetchval("SELECT xmin::text FROM room_summary WHERE room = $1", room)


async def rank(database: Database, room: str) -> tuple[int, int]:
    (row,) = await database.fetch("SELECT rank_at, rank_before FROM room WHERE room = $1", room)
    return row["rank_at"], row["rank_before"]


def beside(room: str, *, same: bool) -> str:
    """Another room's id, in the same slot or not."""
    slot = slot_of(f"room/{room}")
    return next(other for other in iter(lambda: new_id(1), "") if (slot_of(f"room/{other}") == slot) is same)


async def until_waiting(database: Database, count: int, unless: asyncio.Future[Sequence[str]] | None = None) -> None:
    """So many statements of ours wait for a lock, or that one has ended."""
    async with asyncio.timeout(30):
        while unless is None or not unless.done():
            if await database.fetchval(WAITING) >= count:
                return
            await asyncio.sleep(0.005)
