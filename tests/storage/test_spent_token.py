"""What may be used once is used once, whoever comes at the same time."""

import asyncio

from commonroom.ids import new_secret
from commonroom.storage.pool import Database
from commonroom.storage.repository.spent_token import SpentTokens

FAR_AHEAD = 2**45


async def test_a_token_is_used_once(database: Database) -> None:
    spent, token = SpentTokens(database), new_secret()
    assert await spent.spend(token, FAR_AHEAD)
    assert not await spent.spend(token, FAR_AHEAD)
    assert await spent.spend(new_secret(), FAR_AHEAD)


async def test_of_twenty_uses_at_once_one_succeeds(database: Database) -> None:
    spent, token = SpentTokens(database), new_secret()
    assert sum(await asyncio.gather(*(spent.spend(token, FAR_AHEAD) for _ in range(20)))) == 1


async def test_only_a_hash_is_stored(database: Database) -> None:
    token = new_secret()
    await SpentTokens(database).spend(token, FAR_AHEAD)
    dump = await database.fetch("SELECT s::text AS line FROM spent_token s")
    assert not any(token in row["line"] or token.encode().hex() in row["line"] for row in dump)


async def test_uses_are_forgotten_once_the_token_is_too_old_anyway(database: Database) -> None:
    spent, old, young = SpentTokens(database), new_secret(), new_secret()
    await spent.spend(old, 1000)
    await spent.spend(young, 1001)
    await spent.purge(1000)
    assert await spent.spend(old, 1000)
    assert not await spent.spend(young, 1001)
