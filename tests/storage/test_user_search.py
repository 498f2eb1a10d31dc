"""The search of people: what is found, in what order, and at what cost."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from commonroom.account.name import folded
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository.user import SEARCH, NewUser, Users, _successor

LIMIT = 20
CROWD = 10_000
"""Enough that PostgreSQL would rather sort or read all than ask the indexes row by row, if it could."""

MANY = """
INSERT INTO app_user (id, username, username_key, display_name, search_name, created_at)
SELECT 'crowd' || n, 'ann' || n, 'ann' || n, 'Ann', 'ann', 1 FROM generate_series(1, $1::int) AS n
"""


async def person(database: Database, username: str | None, name: str) -> str:
    users, ident = Users(database), new_id(1)
    assert await users.create(NewUser(ident, name, folded(name), None, None), 1)
    if username is not None:
        await users.claim_username(ident, username, username)
    return ident


@pytest.fixture
def mark() -> str:
    """Begins no name but those of the test."""
    return "z" + new_id(1).lower()


async def found(database: Database, prefix: str, limit: int = 10) -> list[str]:
    return [one.username for one in await Users(database).search(prefix, folded(prefix), limit)]


async def test_the_exact_username_is_first_then_usernames_then_names(database: Database, mark: str) -> None:
    for username, name in (("b", mark), ("", "Zoe"), ("c", f"{mark} Aaron"), ("a", "Zoe")):
        await person(database, f"{mark}{username}", name)
    for username, name in ((f"x{mark}", f"{mark} b"), (f"y{mark}", f"{mark} a"), (f"w{mark}", f"{mark} b")):
        await person(database, username, name)
    order = [mark, f"{mark}a", f"{mark}b", f"{mark}c", f"y{mark}", f"w{mark}", f"x{mark}"]
    assert await found(database, mark) == order
    for limit in range(1, len(order) + 1):
        assert await found(database, mark, limit) == order[:limit], "a smaller limit shows the beginning of the same list"


async def test_who_has_no_username_or_is_deleted_is_not_found(database: Database, mark: str) -> None:
    await person(database, None, mark)
    gone = await person(database, f"{mark}gone", mark)
    await database.execute("UPDATE app_user SET deleted_at = 1 WHERE id = $1", gone)
    assert await found(database, mark) == []


@pytest.mark.parametrize("last", ["a", "z", "é", "\u07ff", "\ud7ff", "\uffff", "\U0010fffe", "名", "%", "_", "\\"])
async def test_a_prefix_of_any_characters_finds_its_own_and_nothing_above(database: Database, mark: str, last: str) -> None:
    prefix = f"{mark}{last}"
    for number, name in enumerate((prefix, f"{prefix}b", f"{prefix}\U0010fffe", mark, _successor(prefix), f"{mark}\U0010fffe\U0010fffe")):
        users, ident = Users(database), new_id(1)
        assert await users.create(NewUser(ident, name, name, None, None), 1)
        await users.claim_username(ident, f"n{number}{mark}", f"n{number}{mark}")
    rows = await Users(database).search("no such username", prefix, 10)
    assert all(row.display_name.startswith(prefix) for row in rows)
    assert {row.username[:2] for row in rows} >= {"n0", "n1", "n2"}


async def test_no_limit_of_characters_breaks_the_search(database: Database) -> None:
    assert await Users(database).search("\U0010ffff", "\U0010ffff" * 3, 10) == []


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    yield from itertools.chain.from_iterable(nodes(child) for child in plan.get("Plans", ()))


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
async def test_a_search_reads_no_more_than_it_shows_however_many_begin_so(database: Database, mode: str) -> None:
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(MANY, CROWD)
        await connection.execute("ANALYZE app_user")
        await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        await connection.execute(f"PREPARE search (text, text, text, text, bigint) AS {SEARCH}")
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE search ('an', 'ao', 'an', 'ao', {LIMIT})")
        await connection.execute("DEALLOCATE search")
        await transaction.rollback()
    whole = list(nodes(msgspec.json.decode(explained)[0]["Plan"]))
    scans = {node["Index Name"]: node for node in whole if "Scan" in node["Node Type"] and "Relation Name" in node}
    assert set(scans) == {"app_user_by_username", "app_user_by_name"}
    for node in scans.values():
        assert node["Node Type"] == "Index Scan"
        assert "Index Cond" in node
        assert node["Actual Rows"] <= LIMIT
        assert node.get("Rows Removed by Filter", 0) == 0
