"""Signing keys live in the database, so that every node verifies what any node signed."""

from collections.abc import Mapping
from typing import NamedTuple

from commonroom.ids import new_id, new_secret
from commonroom.storage.pool import Connection, Database

__all__ = ["SigningKeys", "StoredKey"]

LOCK = "SELECT pg_advisory_xact_lock(hashtext('signing_key'))"
READ = 'SELECT kid, purpose, secret, created_at, "until" FROM signing_key WHERE "until" IS NULL OR "until" > $1'
CREATE = "INSERT INTO signing_key (kid, purpose, secret, created_at) VALUES ($1, $2, $3, $4)"
RETIRE = 'UPDATE signing_key SET "until" = $2 WHERE purpose = $1 AND "until" IS NULL'
TRIM = 'DELETE FROM signing_key WHERE "until" <= $1'


class StoredKey(NamedTuple):
    """A symmetric key by its id. Moments in cluster ms; `until` None: in use."""

    kid: str
    purpose: str
    secret: bytes
    created_at: int
    until: int | None


class SigningKeys:
    """The table `signing_key`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, now: int) -> list[StoredKey]:
        """All keys whose time is not over."""
        return [StoredKey(*row.values()) for row in await self._database.fetch(READ, now)]

    async def complete(self, purposes: tuple[str, ...], now: int) -> list[StoredKey]:
        """All keys; a first one is made for each of these purposes that has none. Two nodes that start at once agree."""
        async with self._database.transaction() as connection:
            await connection.execute(LOCK)
            there = {row["purpose"] for row in await connection.fetch(READ, now)}
            for purpose in purposes:
                if purpose not in there:
                    await _create(connection, purpose, now)
        return await self.read(now)

    async def rotate(self, overlaps_ms: Mapping[str, int], now: int) -> dict[str, str]:
        """A new key for each purpose; those in use verify for its overlap, in ms, from now on. The new ids by purpose."""
        async with self._database.transaction() as connection:
            await connection.execute(LOCK)
            await connection.execute(TRIM, now)
            made: dict[str, str] = {}
            for purpose, overlap_ms in overlaps_ms.items():
                await connection.execute(RETIRE, purpose, now + overlap_ms)
                made[purpose] = await _create(connection, purpose, now)
            return made


async def _create(connection: Connection, purpose: str, now: int) -> str:
    kid = new_id(now)
    await connection.execute(CREATE, kid, purpose, new_secret().encode(), now)
    return kid
