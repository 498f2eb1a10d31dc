"""Sanctions of a person: a guest and the user that it became are one, whatever the row names; and what it costs to ask."""

import re
from collections.abc import AsyncIterator

import pytest

from commonroom.identity import MAX_GUESTS, Principal
from commonroom.ids import new_id, new_secret
from commonroom.storage.pool import Database
from commonroom.storage.repository import sanction as statements
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.sanction import InForce, Sanction, SanctionKind, SanctionTable
from commonroom.storage.repository.user import NewUser, Users

NOW = 1_000
CROWD = 30_000
"""Rows of others, of which few stand."""

FILL = """
INSERT INTO sanction (id, kind, actor_type, actor_id, at, "until", reason, by_user, lifted_at)
SELECT '0crowd' || n, (ARRAY['ban', 'mute', 'shadow'])[1 + n % 3], 'user', '0crowd' || n % 20000, 1,
    CASE WHEN n % 2 = 0 THEN n % 700 END, 'r', 'admin', CASE WHEN n % 2 = 1 AND n % 100 <> 1 THEN 2 END
FROM generate_series(1, $1::int) AS n
"""


class Person:
    """A user, and the guests that it was."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.logins = LoginSessions(database)
        self.id = new_id(1)
        self.guests: list[str] = []

    async def open(self) -> None:
        assert await Users(self.database).create(NewUser(self.id, "Ada L.", "ada l.", None, None), 1)

    async def guest(self, at: int) -> Principal:
        """A guest, who is not the user yet."""
        return (await self.logins.create_guest("Ada", new_secret().encode(), "a browser", at)).principal

    async def become(self, guest: Principal, at: int) -> None:
        sid = (await self.logins.find(guest.actor_id)).sid  # type: ignore[arg-type, union-attr]
        assert await self.logins.begin(self.id, sid, new_secret().encode(), "a browser", at) == sid
        self.guests.insert(0, sid)


@pytest.fixture
async def person(database: Database) -> Person:
    person = Person(database)
    await person.open()
    return person


@pytest.fixture
async def crowd(database: Database) -> AsyncIterator[None]:
    await database.execute(FILL, CROWD)
    await database.execute("ANALYZE sanction")
    yield
    await database.execute("DELETE FROM sanction WHERE id LIKE '0crowd%'")


def sanction(kind: SanctionKind, who: Principal, at: int = NOW, until: int | None = None) -> Sanction:
    return Sanction(new_id(at), kind, who, at, until, "because", "admin", None, None)


async def standing(table: SanctionTable, *actors: str) -> list[InForce]:
    return [one for one in await table.in_force(NOW, 10_000) if one.actor in actors]


async def test_a_mute_of_a_guest_is_not_washed_off_by_signing_in_with_many_others(database: Database, person: Person) -> None:
    table, guest = SanctionTable(database), await person.guest(1)
    await table.add(sanction("mute", guest))
    assert await standing(table, guest.actor_id, person.id) == [InForce("mute", guest.actor_id, None, ())]
    await person.become(guest, 2)
    for at in range(3, 3 + MAX_GUESTS):
        await person.become(await person.guest(at), at)
    (found,) = await standing(table, guest.actor_id, person.id)
    assert (found.kind, found.actor) == ("mute", person.id)
    assert sorted(found.guests) == sorted(person.guests), "the latest, and the one that it was imposed on"


async def test_of_a_person_a_mute_and_a_shadow_take_each_others_place_whoever_they_were_imposed_on(
    database: Database, person: Person
) -> None:
    table, guest, user = SanctionTable(database), await person.guest(1), Principal("user", person.id)
    old = sanction("mute", guest, 10)
    await table.add(old)
    await person.become(guest, 20)
    assert [one.id for one in await table.list(person.id, NOW, None, 10, standing=True)] == [old.id], "found by who it is now"
    new = sanction("shadow", user, 30)
    await table.add(new)
    assert [one.id for one in await table.list(person.id, NOW, None, 10, standing=True)] == [new.id]
    assert [one.id for one in await table.list(person.id, NOW, None, 10, standing=False)] == [new.id, old.id]
    assert [one.id for one in await table.list(person.id, NOW, new.id, 10, standing=False)] == [old.id]
    assert [one.kind for one in await standing(table, person.id, guest.actor_id)] == ["shadow"]


async def test_a_ban_of_a_guest_that_signed_in_at_that_moment_keeps_the_user_out(database: Database, person: Person) -> None:
    table, guest = SanctionTable(database), await person.guest(1)
    await person.become(guest, 2)
    await table.add(sanction("ban", guest))
    assert await table.ban_of(person.id, NOW) == (None, "because")


async def test_what_stands_against_a_guest_that_is_gone_is_forgotten(database: Database, person: Person) -> None:
    table, gone, here, became = SanctionTable(database), await person.guest(1), await person.guest(1), await person.guest(1)
    await person.become(became, 2)
    imposed = [sanction("mute", one) for one in (gone, here, became)]
    for one in imposed:
        await table.add(one)
    before = await table.count(NOW, 10_000)
    await database.execute("DELETE FROM login_session WHERE sid = $1", gone.actor_id)
    await table.purge(0)
    left = [one.id for who in (gone, here, became) for one in await table.list(who.actor_id, NOW, None, 10, standing=False)]
    assert left == [one.id for one in imposed[1:]]
    assert await table.count(NOW, 10_000) == before - 1


async def test_a_purge_of_more_than_a_batch_leaves_nothing(database: Database, crowd: None) -> None:
    await SanctionTable(database).purge(10_000)
    assert await database.fetchval("SELECT count(*) FROM sanction WHERE id LIKE '0crowd%'") == 0, "there are no such users"


@pytest.mark.parametrize(
    ("statement", "types", "values"),
    [
        (statements.IN_FORCE, "bigint, bigint", f"{NOW}, 10000"),
        (statements.COUNT, "bigint, bigint", f"{NOW}, 10000"),
        (statements.LIST, "text, bigint", "'z', 21"),
        (statements.LIST_STANDING, "text, bigint, bigint", f"'z', 21, {NOW}"),
        (statements.LIST_OF, "text, bigint, bigint, text, boolean", f"'z', 21, {NOW}, '0crowd7', true"),
        (statements.BAN, "bigint, text", f"{NOW}, '0crowd7'"),
        (statements.FORGET_ENDED, "bigint, bigint", "1000, -1"),
    ],
)
async def test_no_statement_reads_the_rows_of_others(database: Database, crowd: None, statement: str, types: str, values: str) -> None:
    async with database.connection() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        try:
            await connection.execute(f"PREPARE asked ({types}) AS {statement}")
            plan = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE asked ({values})")
        finally:
            await connection.execute("RESET plan_cache_mode")
            await connection.execute("DEALLOCATE ALL")
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan on sanction" not in text, text
    assert _removed(text) <= 100, text


def _removed(plan: str) -> int:
    """Rows of `sanction` that were read for nothing; other tables are small here, and read as they come."""
    table, removed = "", 0
    for line in plan.splitlines():
        if found := re.search(r"Scan .*?on (\w+)", line):
            table = found[1]
        elif "Rows Removed by Filter" in line and table == "sanction":
            removed += int(line.rpartition(" ")[2])
    return removed
