"""The slot table on a real PostgreSQL: compare-and-set, durable, in bounded time."""

import asyncio

import pytest

from commonroom.engine.cluster.port import SlotTable
from commonroom.errors import Unavailable
from commonroom.storage.pool import Database, connect
from commonroom.storage.slot_table import PostgresSlotTable, SlotOwner
from tests.support.blocked import until_free


@pytest.fixture
def table(database: Database) -> PostgresSlotTable:
    return PostgresSlotTable(database)


async def rows(table: SlotTable, *slots: int) -> dict[int, SlotOwner]:
    return {row.slot: row for row in await table.read() if row.slot in slots}


async def epochs(table: SlotTable, *slots: int) -> dict[int, int]:
    return {slot: row.epoch for slot, row in (await rows(table, *slots)).items()}


async def test_a_read_shows_every_slot(table: PostgresSlotTable) -> None:
    assert [row.slot for row in await table.read()] == list(range(1024))


async def test_a_move_takes_only_the_slots_that_are_as_they_were_seen(table: PostgresSlotTable) -> None:
    seen = await epochs(table, 20, 21)
    assert await table.move({20: seen[20], 21: seen[21] - 1}, "a") == {20: seen[20] + 1}
    after = await rows(table, 20, 21)
    assert after[20] == SlotOwner(20, seen[20] + 1, "a")
    assert after[21].epoch == seen[21]


async def test_a_slot_given_up_has_no_owner_and_a_newer_epoch(table: PostgresSlotTable) -> None:
    held = await table.move(await epochs(table, 22), "a")
    given = await table.move(held, None)
    assert await rows(table, 22) == {22: SlotOwner(22, held[22] + 1, None)}
    assert given == {22: held[22] + 1}


async def test_nothing_to_move_moves_nothing(table: PostgresSlotTable) -> None:
    assert await table.move({}, "a") == {}


async def test_of_many_claims_of_one_slot_one_wins(table: PostgresSlotTable) -> None:
    slots = range(30, 62)
    seen = await epochs(table, *slots)
    names = ("a", "b", "c", "d")
    won = await asyncio.gather(*(table.move(dict(sorted(seen.items(), reverse=name in "bd")), name) for name in names))
    assert sorted(slot for each in won for slot in each) == list(slots)
    for slot, row in (await rows(table, *slots)).items():
        assert row.epoch == seen[slot] + 1
        assert slot in won[names.index(str(row.owner))]


async def test_a_move_that_waits_too_long_is_unavailable(dsn: str, database: Database, table: PostgresSlotTable) -> None:
    """A writer that hangs with the slot's lock held must not hang a claim."""
    hasty = await Database.open(dsn)
    hasty._timeout_s = 0.2  # not before: to open it may take longer
    writer = await connect(dsn)
    seen = await epochs(table, 70)
    async with writer.transaction():
        await writer.execute("SELECT FROM slot WHERE slot_id = 70 FOR NO KEY UPDATE")
        with pytest.raises(Unavailable):
            await PostgresSlotTable(hasty).move(seen, "a")
        await until_free(database)  # else it could still move once the lock is gone
    assert await epochs(table, 70) == seen
    await writer.close()
    await hasty.close()


async def test_a_statement_the_database_refuses_is_unavailable_too(table: PostgresSlotTable) -> None:
    with pytest.raises(Unavailable):
        await table.move({71: 0}, "a NUL \0 cannot be stored")


async def test_a_move_is_durable_whatever_its_session_thinks_of_that(dsn: str) -> None:
    connection = await connect(dsn, synchronous_commit="off")
    async with connection.transaction():
        await connection.execute("SELECT journal_move('a', ARRAY[72], ARRAY[-1])")
        assert await connection.fetchval("SELECT current_setting('synchronous_commit')") == "on"
    await connection.close()
