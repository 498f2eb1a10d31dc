"""The walk over all messages for one person's: none is missed, however they move, and nothing is held meanwhile."""

from collections.abc import AsyncIterator

import pytest

from commonroom.config.settings import PostgresSettings
from commonroom.ids import new_id
from commonroom.storage.pool import Connection, Database
from commonroom.storage.repository import personal_data
from commonroom.storage.repository.personal_data import MESSAGES, OwnMessage, PersonalData

MONTH_MS = 31 * 86_400_000
AT = 1_900_000_000_000
"""In months that no other test writes to."""

WRITE = """
INSERT INTO message (room, "offset", at, author_type, author_id, text, events)
SELECT $1, n, $2::bigint + (n / 10) % 2 * $3::bigint, 'user', CASE WHEN n % 10 = 0 THEN $4 ELSE 'somebody' END, repeat('x', 400), '{}'
FROM generate_series(1, $5::int) AS n
"""
MOVE = """UPDATE message SET text = 'moved' || repeat('x', 400) WHERE room = $1 AND "offset" = $2"""
PARTITION_OF = 'SELECT tableoid::regclass::text FROM message WHERE room = $1 AND "offset" = $2'
FILL = """
INSERT INTO message (room, "offset", at, author_id, text, events) VALUES ($1, 1, $2, 'somebody', repeat('x', 400), '{}') RETURNING ctid
"""


class Archive:
    """A room's messages on some pages of two partitions; every tenth is `author`'s."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.room, self.author = new_id(1), new_id(1)
        self.data = PersonalData(database)

    async def open(self, count: int = 500) -> None:
        for month in (0, 1):
            await self.database.execute("SELECT message_partitions($1)", AT + month * MONTH_MS)
        await self.database.execute(WRITE, self.room, AT, MONTH_MS, self.author, count)

    async def page_of(self, offset: int) -> int:
        place = await self.database.fetchval('SELECT ctid FROM message WHERE room = $1 AND "offset" = $2', self.room, offset)
        return int(place[0])


async def fill_until_before(writer: Connection, page: int) -> None:
    """Leave this connection writing to a page before that one: whatever it changes goes there."""
    for _ in range(100):
        place = await writer.fetchval(FILL, new_id(1), AT)
        if place[0] < page:
            return
    raise AssertionError("no page before has space")


@pytest.fixture
async def archive(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Archive]:
    monkeypatch.setattr(personal_data, "PAGES", 1)
    archive = Archive(database)
    await archive.open()
    yield archive
    await database.execute("DELETE FROM message WHERE at >= $1", AT)


async def test_every_message_of_theirs_is_found_in_whatever_month_and_no_other(archive: Archive) -> None:
    other = Archive(archive.database)
    await other.open(20)
    found: list[OwnMessage] = []
    async for batch in archive.data.messages([archive.author, other.author]):
        found += batch
    assert sorted({one.offset for one in found if one.room == archive.room}) == list(range(10, 501, 10))
    assert sorted({one.offset for one in found if one.room == other.room}) == [10, 20]
    assert len(set(found)) == 52, "no other; twice where somebody's transaction is older than what was written"
    assert {one.author.actor_id for one in found} == {archive.author, other.author}
    await archive.database.execute("DELETE FROM message WHERE room = $1", other.room)


@pytest.mark.parametrize("begins", ["during the walk", "before it"])
async def test_a_message_that_moves_behind_the_walk_is_found(archive: Archive, begins: str) -> None:
    """Its new version lies on a page that was walked already, its old one is gone when the walk gets there."""
    database, last = archive.database, 400
    partition = await database.fetchval(PARTITION_OF, archive.room, last)
    await database.execute('DELETE FROM message WHERE room = $1 AND "offset" < 60 AND author_id = $2', archive.room, "somebody")
    await database.execute(f"VACUUM {partition}")
    async with database.connection() as writer:
        await fill_until_before(writer, await archive.page_of(300))
        change = writer.transaction()
        if begins == "before it":
            await change.start()
            await writer.execute(MOVE, archive.room, last)
            await database.execute("SELECT pg_current_xact_id()")  # a later transaction ends earlier
        found: list[OwnMessage] = []
        moved = False
        async for batch in archive.data.messages([archive.author]):
            found += batch
            if not moved and any(one.offset == 300 for one in batch):
                moved = True
                if begins == "before it":
                    await change.commit()
                else:
                    await writer.execute(MOVE, archive.room, last)
    assert await archive.page_of(last) < await archive.page_of(300), "it has moved to a page that was walked"
    assert [one.text for one in found if one.offset == last][-1:] == ["moved" + "x" * 400]


async def test_no_connection_is_held_between_two_batches(dsn: str, archive: Archive) -> None:
    database = await Database.open(dsn, PostgresSettings(pool_size=1))
    batches = 0
    async for _ in PersonalData(database).messages([archive.author]):
        assert await database.fetchval("SELECT 1") == 1
        batches += 1
    await database.close()
    assert batches > 10


async def test_a_batch_reads_its_own_pages_alone(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute("PREPARE batch (tid, tid, text[], text) AS " + MESSAGES % "message_rest")
        plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE batch ('(0,0)', '(64,0)', '{ada}', NULL)"))
        await connection.execute("DEALLOCATE batch")
    assert "Tid Range Scan on message_rest" in plan, plan
