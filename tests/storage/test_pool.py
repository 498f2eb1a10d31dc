"""The pool's connections, where their client stands still."""

import asyncio

from commonroom.storage.pool import Database
from commonroom.storage.projection.checkpoint import positions

PATIENCE_S = 30


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
