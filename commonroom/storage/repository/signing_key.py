"""Signing keys live in the database, so that every node verifies what any node signed."""

from typing import NamedTuple

from commonroom.ids import new_id, new_secret
from commonroom.storage.pool import Database

__all__ = ["SigningKeys", "StoredKey"]

READ = "SELECT kid, secret FROM signing_key WHERE purpose = $1 ORDER BY created_at DESC, kid DESC"
LOCK = "SELECT pg_advisory_xact_lock(hashtext('signing_key'))"
CREATE = "INSERT INTO signing_key (kid, purpose, secret, created_at) VALUES ($1, $2, $3, $4)"


class StoredKey(NamedTuple):
    """A symmetric key by its id."""

    kid: str
    secret: bytes


class SigningKeys:
    """The table `signing_key`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, purpose: str, now_ms: int) -> list[StoredKey]:
        """The keys of a purpose, newest first; the first is made when there is none."""
        async with self._database.transaction() as connection:
            await connection.execute(LOCK)
            rows = await connection.fetch(READ, purpose)
            if rows:
                return [StoredKey(row["kid"], row["secret"]) for row in rows]
            key = StoredKey(new_id(now_ms), new_secret().encode())
            await connection.execute(CREATE, key.kid, purpose, key.secret, now_ms)
            return [key]
