"""Tokens that prove themselves and may be used once: those that were used."""

from hashlib import sha256

from commonroom.storage.pool import Database

__all__ = ["SpentTokens"]

# One statement: of any number that come at once, on any nodes, one gets a row back.
SPEND = 'INSERT INTO spent_token (hash, "until") VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING RETURNING true'
PURGE = 'DELETE FROM spent_token WHERE "until" <= $1'


class SpentTokens:
    """The table `spent_token`. Moments are cluster ms. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, token: str, until: int) -> bool:
        """Use a token; False: it was used before.

        Only its hash is stored.

        Args:
            token: a secret of 256 random bits.
            until: when it is refused for its age, so that its use can be forgotten.
        """
        return await self._database.fetchval(SPEND, sha256(token.encode()).digest(), until) is not None

    async def purge(self, now: int) -> None:
        """Forget what is refused for its age."""
        await self._database.execute(PURGE, now)
