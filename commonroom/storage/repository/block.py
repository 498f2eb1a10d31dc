"""Blocks: users who do not want to meet somebody.

A person is a user together with the guests that it was, or a guest who never signed in. Whoever of a person is blocked, all of
it is, also what it becomes later: that is found when it is asked for. Of the guests, those are hidden who were blocked themselves
and the latest `MAX_GUESTS`, as for all that they own; a block of any of them counts, else signing in often would wash it off.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from commonroom.errors import LimitExceeded
from commonroom.identity import MAX_GUESTS, Principal
from commonroom.storage.pool import Queries

__all__ = ["MAX_BLOCKERS", "MAX_BLOCKS", "Blocked", "Blocks"]

MAX_BLOCKS: Final = 1000
"""Of one user."""

MAX_BLOCKERS: Final = 4000
"""So many who block somebody, the latest, are hidden from them: it bounds what a node keeps for one reader. From whoever
blocks they are hidden in any case."""

# What a login session that was a guest's has become; no row: it is a guest's still, or never was one.
BECAME = "login_session %s ON %s.sid = %s AND %s.upgraded_at IS NOT NULL"
GUESTS = f"""
CROSS JOIN LATERAL (SELECT g.sid FROM login_session g WHERE g.actor_id = %s AND g.upgraded_at IS NOT NULL
    ORDER BY g.upgraded_at DESC LIMIT {MAX_GUESTS}) g
"""  # noqa: S608 - a constant only

HIDDEN = f"""
WITH reader AS MATERIALIZED (
    SELECT r.id, coalesce(s.actor_id, r.id) AS person FROM unnest($1::text[]) AS r (id)
    LEFT JOIN {BECAME % ("s", "s", "r.id", "s")}
), other AS (
    SELECT r.id, r.person, true AS is_own, b.blocked_type AS type, b.blocked_id AS other FROM reader r JOIN block b ON b.blocker = r.person
    UNION ALL SELECT r.id, r.person, false, 'user', b.blocker FROM reader r CROSS JOIN LATERAL (
        SELECT l.blocker FROM (
            SELECT r.person AS name
            UNION ALL SELECT g.sid FROM login_session g WHERE g.actor_id = r.person AND g.upgraded_at IS NOT NULL
        ) n CROSS JOIN LATERAL (SELECT blocker, at FROM block WHERE blocked_id = n.name ORDER BY at DESC LIMIT {MAX_BLOCKERS}) l
        ORDER BY l.at DESC LIMIT {MAX_BLOCKERS}
    ) b
), person AS MATERIALIZED (
    SELECT o.id, o.is_own, o.type AS named_type, o.other AS named,
        CASE WHEN s.sid IS NULL THEN o.type ELSE 'user' END AS type, coalesce(s.actor_id, o.other) AS other
    FROM other o LEFT JOIN {BECAME % ("s", "s", "o.other", "s")}
    WHERE coalesce(s.actor_id, o.other) <> o.person  -- who blocked a guest and then signed in as that one
)
SELECT id, is_own, type, other FROM person
UNION SELECT id, is_own, named_type, named FROM person WHERE named <> other
UNION SELECT p.id, p.is_own, 'guest', g.sid FROM person p {GUESTS % "p.other"}
"""  # noqa: S608 - constants only

NAMES = f"""
SELECT p.type, p.id FROM unnest($1::text[], $2::text[]) AS p (type, id)
UNION SELECT 'guest', g.sid FROM unnest($2::text[]) AS p (id) {GUESTS % "p.id"}
"""  # noqa: S608 - constants only

LIST = f"""
SELECT p.type, p.id, coalesce(u.display_name, l.name, '') AS name, u.username, p.at FROM (
    SELECT CASE WHEN s.sid IS NULL THEN b.blocked_type ELSE 'user' END AS type, coalesce(s.actor_id, b.blocked_id) AS id, max(b.at) AS at
    FROM block b LEFT JOIN {BECAME % ("s", "s", "b.blocked_id", "s")}
    WHERE b.blocker = $1 GROUP BY 1, 2
) p
LEFT JOIN app_user u ON p.type = 'user' AND u.id = p.id AND u.deleted_at IS NULL
LEFT JOIN login_session l ON p.type = 'guest' AND l.sid = p.id
ORDER BY p.at DESC, p.id DESC
"""  # noqa: S608 - constants only

HOLD = "SELECT id FROM app_user WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE"
ADD = """
INSERT INTO block (blocker, blocked_type, blocked_id, at) SELECT $1, $2, $3, $4
WHERE (SELECT count(*) FROM block WHERE blocker = $1) < $5 ON CONFLICT DO NOTHING
"""
HAS = "SELECT true FROM block WHERE blocker = $1 AND blocked_type = $2 AND blocked_id = $3"
REMOVE = """
DELETE FROM block WHERE blocker = $1 AND (blocked_id = $2 OR blocked_id = (
    SELECT s.actor_id FROM login_session s WHERE s.sid = $2 AND s.upgraded_at IS NOT NULL) OR blocked_id IN (
    SELECT g.sid FROM login_session s JOIN login_session g ON g.actor_id = s.actor_id AND g.upgraded_at IS NOT NULL WHERE s.sid = $2
    UNION ALL SELECT g.sid FROM login_session g WHERE g.actor_id = $2 AND g.upgraded_at IS NOT NULL))
"""


class Blocked(NamedTuple):
    """Somebody who is blocked, as they are called today; names are empty where there is nobody any more. `at`: cluster ms."""

    principal: Principal
    name: str
    username: str | None
    at: int


class Blocks:
    """The table `block`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def hidden(self, readers: Sequence[Principal]) -> dict[Principal, frozenset[Principal]]:
        """Whom each of these does not see: those they block and those who block them, by all their names. Who sees everybody is missing."""
        found: dict[str, list[Principal]] = {}
        for row in await self._database.fetch(HIDDEN, [reader.actor_id for reader in readers]):
            found.setdefault(row["id"], []).append(Principal(row["type"], row["other"]))
        return {reader: frozenset(found[reader.actor_id]) for reader in readers if reader.actor_id in found}

    async def hiding(self, user: Principal) -> frozenset[Principal]:
        """Who hides from a user, and is not blocked by them: they are not to tell from anything that these are there."""
        rows = await self._database.fetch(HIDDEN, [user.actor_id])
        own = {row["other"] for row in rows if row["is_own"]}
        return frozenset(Principal(row["type"], row["other"]) for row in rows if row["other"] not in own)

    async def names(self, *people: Principal) -> list[Principal]:
        """What these people may be called on live sockets: themselves, and the latest guests they were."""
        rows = await self._database.fetch(NAMES, [one.actor_type for one in people], [one.actor_id for one in people])
        return [Principal(row["type"], row["id"]) for row in rows]

    async def list(self, user: str) -> list[Blocked]:
        """Whom a user blocks, the latest first."""
        rows = await self._database.fetch(LIST, user)
        return [Blocked(Principal(row["type"], row["id"]), row["name"], row["username"], row["at"]) for row in rows]

    async def add(self, user: str, person: Principal, now: int, most: int = MAX_BLOCKS) -> None:
        """Block somebody, as `person` names them. Again is no error.

        Raises:
            LimitExceeded: the user blocks `most` already.
        """
        async with self._database.transaction() as connection:
            await connection.execute(HOLD, user)  # two at once would both find room for one more
            if await connection.execute(ADD, user, *_fields(person), now, most) == "INSERT 0 1":
                return
            if not await connection.fetchval(HAS, user, *_fields(person)):
                raise LimitExceeded(f"{most} blocks are the most")

    async def remove(self, user: str, principal: Principal) -> bool:
        """Block that person no longer, whatever they are called. False: they were not blocked."""
        return await self._database.execute(REMOVE, user, principal.actor_id) != "DELETE 0"


def _fields(principal: Principal) -> tuple[str, str]:
    return principal.actor_type, principal.actor_id
