"""The pool's connections, where their client stands still."""

import asyncio

from commonroom.config.settings import PostgresSettings
from commonroom.storage.pool import Database, is_write
from commonroom.storage.projection.checkpoint import positions

PATIENCE_S = 30

STATEMENTS = {
    "INSERT INTO note VALUES ('a')": True,
    "\nWITH said AS (SELECT 'b' AS text)\nINSERT INTO note SELECT * FROM said": True,
    "UPDATE note SET text = 'c'": True,
    "DELETE FROM note": True,
    "SELECT * FROM note": False,
    "SELECT * FROM note FOR UPDATE": False,
    "WITH said AS (SELECT * FROM note FOR NO KEY UPDATE) SELECT * FROM said": False,
}


async def test_a_checkpoint_held_by_a_client_that_stands_still_keeps_nobody_waiting_for_long(dsn: str) -> None:
    asleep, heir = await Database.open(dsn), await Database.open(dsn)
    transaction = asleep.transaction()
    holding = await transaction.__aenter__()
    await positions(holding, "diary", [7])  # a row nobody else sees yet, as a stopped process leaves it
    async with asyncio.timeout(PATIENCE_S), heir.transaction() as connection:
        assert await positions(connection, "diary", [7]) == {7: 0}
    assert (
        await heir.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
        )
        == 0
    )
    await asleep.close()
    await heir.close()


async def test_P32_what_changes_rows_is_counted_apart_from_what_reads_them(dsn: str) -> None:
    database = await Database.open(dsn, PostgresSettings(pool_size=1))  # a temporary table is a connection's
    before = (database.statements, database.writes, sum(database.durations.counts))
    await database.execute("CREATE TEMPORARY TABLE note (text text)")
    for statement, changes in STATEMENTS.items():
        await database.execute(statement)
        assert is_write(statement) is changes, statement
    after = (database.statements, database.writes, sum(database.durations.counts))
    assert [one - other for one, other in zip(after, before, strict=True)] == [len(STATEMENTS) + 1, 4, len(STATEMENTS) + 1]
    await database.close()
