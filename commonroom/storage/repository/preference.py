"""What users prefer (FEATURES P22), and when they were here last (P20)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from commonroom.errors import NotFound
from commonroom.protocol.user import BusyWhen
from commonroom.storage.pool import Queries

__all__ = ["Preference", "Preferences", "StatusFacts", "Theme"]

Theme = Literal["system", "light", "dark"]

COLUMNS: Final = ("dnd", "busy", "hide_status", "hide_room", "theme", "sounds", "time_zone")

FACTS = """
SELECT u.id, coalesce(p.dnd, false), coalesce(p.busy, 'active'), coalesce(p.hide_status, false), coalesce(p.hide_room, false),
    coalesce(p.revision, 0), s.at
FROM app_user u LEFT JOIN preference p ON p.user_id = u.id LEFT JOIN last_seen s ON s.user_id = u.id
WHERE u.id = ANY ($1::text[]) AND u.deleted_at IS NULL
"""
READ = f"SELECT {', '.join(COLUMNS)} FROM preference WHERE user_id = $1"  # noqa: S608 - constants only
MAKE = "INSERT INTO preference (user_id) SELECT id FROM app_user WHERE id = $1 AND deleted_at IS NULL ON CONFLICT DO NOTHING"
CHANGE = f"""
UPDATE preference SET revision = revision + 1, {", ".join(f"{name} = coalesce(${place}, {name})" for place, name in enumerate(COLUMNS, 2))}
WHERE user_id = $1 RETURNING {", ".join(COLUMNS)}
"""  # noqa: S608 - constants only

# In one order, so that two nodes wait for each other's rows instead of blocking each other. A moment never goes back.
SEEN = """
INSERT INTO last_seen (user_id, at)
SELECT v.user_id, v.at FROM unnest($1::text[], $2::bigint[]) AS v (user_id, at)
JOIN app_user u ON u.id = v.user_id AND u.deleted_at IS NULL ORDER BY 1
ON CONFLICT (user_id) DO UPDATE SET at = excluded.at WHERE last_seen.at < excluded.at
"""
LAST_SEEN = "SELECT at FROM last_seen WHERE user_id = $1"


class Preference(NamedTuple):
    """What a user prefers. `dnd`: wants not to be disturbed. `busy`: when they are by themselves. `time_zone`: an IANA name."""

    dnd: bool = False
    busy: BusyWhen = "active"
    hide_status: bool = False
    hide_room: bool = False
    theme: Theme = "system"
    sounds: bool = True
    time_zone: str = "UTC"


class StatusFacts(NamedTuple):
    """What of a user's rows their status depends on. `seen_at`: when they were here last, cluster ms to the minute; None: never."""

    dnd: bool = False
    busy: BusyWhen = "active"
    hide_status: bool = False
    hide_room: bool = False
    revision: int = 0
    seen_at: int | None = None


class Preferences:
    """The tables `preference` and `last_seen`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def facts(self, users: Sequence[str]) -> dict[str, StatusFacts]:
        """Of those of these users who exist."""
        return {row[0]: StatusFacts(*row[1:]) for row in await self._database.fetch(FACTS, list(users))}

    async def of(self, user: str) -> Preference:
        """A user's."""
        rows = await self._database.fetch(READ, user)
        return Preference(*rows[0]) if rows else Preference()

    async def change(self, user: str, changes: Mapping[str, Any]) -> Preference:
        """Change those named; None leaves one as it is. All of them afterwards.

        Raises:
            NotFound: the account is gone.
        """
        await self._database.execute(MAKE, user)
        rows = await self._database.fetch(CHANGE, user, *(changes.get(name) for name in COLUMNS))
        if not rows:
            raise NotFound("no such account")
        return Preference(*rows[0])

    async def seen(self, moments: Mapping[str, int]) -> None:
        """Users were here at these moments, cluster ms. Who is gone is left out."""
        if moments:
            await self._database.execute(SEEN, list(moments), list(moments.values()))

    async def seen_at(self, user: str) -> int | None:
        """When a user was here last; None: never."""
        at: int | None = await self._database.fetchval(LAST_SEEN, user)
        return at
