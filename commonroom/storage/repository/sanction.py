"""What admins impose on people: bans, mutes, shadows."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from commonroom.identity import MAX_GUESTS, Principal
from commonroom.storage.pool import Queries, Record
from commonroom.storage.purge import in_batches

__all__ = ["Ban", "InForce", "Sanction", "SanctionKind", "SanctionTable"]

SanctionKind = Literal["ban", "mute", "shadow"]

COLUMNS = 'id, kind, actor_type, actor_id, at, "until", reason, by_user, lifted_at, lifted_by'
ADD = 'INSERT INTO sanction (id, kind, actor_type, actor_id, at, "until", reason, by_user) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)'
STANDS = 'lifted_at IS NULL AND ("until" IS NULL OR "until" > $1)'
NEVER = 9223372036854775807
ENDS = f'coalesce("until", {NEVER})'
"""As the indexes have it of those that were not lifted: what stands is the end of them."""

PERSON = "ARRAY(SELECT %s::text UNION ALL SELECT g.sid FROM login_session g WHERE g.actor_id = %s AND g.upgraded_at IS NOT NULL)"
"""A guest, or a user with all guests that it was."""

# A mute and a shadow are degrees of one thing: there is one of them at a time.
REPLACE = f"""
UPDATE sanction SET lifted_at = $1, lifted_by = $2 WHERE actor_id = ANY ({PERSON % ("$3", "$3")}) AND {STANDS}
    AND (kind = 'ban') = ($4 = 'ban')
"""  # noqa: S608 - constants only
LIFT = f"UPDATE sanction SET lifted_at = $1, lifted_by = $2 WHERE id = $3 AND {STANDS} RETURNING {COLUMNS}"  # noqa: S608
BAN = f"""
SELECT "until", reason FROM sanction WHERE {STANDS} AND actor_id = ANY ({PERSON % ("$2", "$2")}) AND kind = 'ban'
ORDER BY "until" DESC NULLS FIRST LIMIT 1
"""  # noqa: S608
HEARD = f"""
SELECT kind, actor_id, "until" FROM sanction WHERE lifted_at IS NULL AND kind <> 'ban' AND {ENDS} > $1 ORDER BY {ENDS} DESC LIMIT $2
"""  # noqa: S608
COUNT = f"SELECT count(*) FROM ({HEARD}) s"  # noqa: S608
# Who is muted as a user was heard as the guests that it was: their tokens are good for some minutes. Who was muted as a guest is
# the user that it became, however many guests that one has been since.
IN_FORCE = f"""
WITH standing AS MATERIALIZED ({HEARD})
SELECT s.kind, coalesce(b.actor_id, s.actor_id) AS actor_id, s."until", ARRAY(
    (SELECT g.sid FROM login_session g WHERE g.actor_id = coalesce(b.actor_id, s.actor_id) AND g.upgraded_at IS NOT NULL
    ORDER BY g.upgraded_at DESC LIMIT {MAX_GUESTS}) UNION SELECT b.sid WHERE b.sid IS NOT NULL) AS guests
FROM standing s LEFT JOIN login_session b ON b.sid = s.actor_id AND b.upgraded_at IS NOT NULL
"""  # noqa: S608
# Three lists, since no one plan is good for all: each walks an index of its own and reads a page.
LIST = f"SELECT {COLUMNS} FROM sanction WHERE id < $1 ORDER BY id DESC LIMIT $2"  # noqa: S608
LIST_STANDING = f"""
WITH timed AS MATERIALIZED (SELECT {COLUMNS} FROM sanction WHERE lifted_at IS NULL AND {ENDS} > $3 AND {ENDS} < {NEVER})
SELECT {COLUMNS} FROM (
    (SELECT {COLUMNS} FROM sanction WHERE lifted_at IS NULL AND {ENDS} = {NEVER} AND id < $1 ORDER BY id DESC LIMIT $2)
    UNION ALL (SELECT {COLUMNS} FROM timed WHERE id < $1 ORDER BY id DESC LIMIT $2)
) s ORDER BY id DESC LIMIT $2
"""  # noqa: S608
LIST_OF = f"""
WITH theirs AS MATERIALIZED (SELECT {COLUMNS} FROM sanction WHERE actor_id = ANY ({PERSON % ("$4", "$4")}))
SELECT {COLUMNS} FROM theirs WHERE id < $1 AND (NOT $5 OR lifted_at IS NULL AND {ENDS} > $3) ORDER BY id DESC LIMIT $2
"""  # noqa: S608
LAST = "z"
"""Above all ids."""

FORGET_ENDED = """
DELETE FROM sanction WHERE id = ANY (ARRAY(
    SELECT id FROM sanction WHERE coalesce(lifted_at, "until") < $2 ORDER BY coalesce(lifted_at, "until") LIMIT $1
    FOR UPDATE SKIP LOCKED))
"""
FORGET_GONE = """
DELETE FROM sanction WHERE id = ANY (ARRAY(
    SELECT s.id FROM sanction s WHERE s.actor_type = '%s' AND NOT EXISTS (SELECT FROM %s p WHERE p.%s = s.actor_id) LIMIT $1
    FOR UPDATE SKIP LOCKED))
"""
FORGET_USERS = FORGET_GONE % ("user", "app_user", "id")
FORGET_GUESTS = FORGET_GONE % ("guest", "login_session", "sid")


class Sanction(NamedTuple):
    """One of them. Moments are cluster ms; `until` None: until it is lifted."""

    id: str
    kind: SanctionKind
    who: Principal
    at: int
    until: int | None
    reason: str
    by: str
    lifted_at: int | None
    lifted_by: str | None


class Ban(NamedTuple):
    """Why somebody cannot sign in, and how long."""

    until: int | None
    reason: str


class InForce(NamedTuple):
    """A mute or shadow that stands, of whom the person is now; `guests`: who they were, as far as tokens say, and when it was imposed."""

    kind: SanctionKind
    actor: str
    until: int | None
    guests: Sequence[str]


class SanctionTable:
    """The table `sanction`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def add(self, new: Sanction) -> None:
        """Impose it, in the place of another one of its kind on that person; a mute and a shadow replace each other."""
        kind, who = new.kind, new.who
        async with self._database.transaction() as connection:
            await connection.execute(REPLACE, new.at, new.by, who.actor_id, kind)
            await connection.execute(ADD, new.id, kind, who.actor_type, who.actor_id, new.at, new.until, new.reason, new.by)

    async def lift(self, sanction: str, by: str, now: int) -> Sanction | None:
        """End it; None: there is none, or it is over."""
        row = await self._database.fetchrow(LIFT, now, by, sanction)
        return None if row is None else _sanction(row)

    async def ban_of(self, actor: str, now: int) -> Ban | None:
        """The ban of that person in force that ends last."""
        row = await self._database.fetchrow(BAN, now, actor)
        return None if row is None else Ban(row["until"], row["reason"])

    async def count(self, now: int, limit: int) -> int:
        """How many mutes and shadows stand, up to `limit`."""
        number: int = await self._database.fetchval(COUNT, now, limit)
        return number

    async def in_force(self, now: int, limit: int) -> list[InForce]:
        """The mutes and shadows that stand; the `limit` that end last."""
        rows = await self._database.fetch(IN_FORCE, now, limit)
        return [InForce(row["kind"], row["actor_id"], row["until"], tuple(row["guests"])) for row in rows]

    async def list(self, actor: str | None, now: int, before: str | None, limit: int, *, standing: bool) -> list[Sanction]:
        """The latest first.

        Args:
            actor: whose, with those of the guests that they were; None: everybody's.
            before: only those of a smaller id.
            standing: only those in force.
        """
        page = (LAST if before is None else before, limit)
        if actor is not None:
            rows = await self._database.fetch(LIST_OF, *page, now, actor, standing)
        elif standing:
            rows = await self._database.fetch(LIST_STANDING, *page, now)
        else:
            rows = await self._database.fetch(LIST, *page)
        return [_sanction(row) for row in rows]

    async def purge(self, before: int) -> None:
        """Forget those that ended before then, and those of accounts and guests that are gone."""
        await in_batches(self._database, FORGET_ENDED, before)
        await in_batches(self._database, FORGET_USERS)
        await in_batches(self._database, FORGET_GUESTS)


def _sanction(row: Record) -> Sanction:
    return Sanction(
        row["id"], row["kind"], Principal(row["actor_type"], row["actor_id"]), row["at"], row["until"],
        row["reason"], row["by_user"], row["lifted_at"], row["lifted_by"],
    )  # fmt: skip
