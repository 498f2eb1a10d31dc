"""What admins say about flags."""

from typing import NamedTuple

from commonroom.storage.pool import Database

__all__ = ["FlagRow", "FlagTable"]

READ = "SELECT name, share, at, by_user FROM flag ORDER BY name LIMIT $1"
SET = """
INSERT INTO flag (name, share, at, by_user) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET share = excluded.share, at = excluded.at, by_user = excluded.by_user
"""
CLEAR = "DELETE FROM flag WHERE name = $1"
MOST = 1000
"""More flags than any version declares: rows of versions long gone may be among them."""


class FlagRow(NamedTuple):
    """One of them: `share` in per cent of the principals, `at` in cluster ms, `by` an admin's id."""

    name: str
    share: float
    at: int
    by: str


class FlagTable:
    """The table `flag`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> list[FlagRow]:
        """All of them; a name may be one that this version does not know."""
        return [FlagRow(*row) for row in await self._database.fetch(READ, MOST)]

    async def set(self, name: str, share: float, at: int, by: str) -> None:
        """From now on this share of the principals has the flag."""
        await self._database.execute(SET, name, share, at, by)

    async def clear(self, name: str) -> None:
        """Back to what the settings say; where nothing was said, nothing happens."""
        await self._database.execute(CLEAR, name)
