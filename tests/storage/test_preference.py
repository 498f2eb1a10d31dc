"""What users prefer, and when they were here last: what is written, and what a status is made of."""

import asyncio

import pytest

from commonroom.errors import NotFound
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository.preference import Preference, Preferences, StatusFacts
from commonroom.storage.repository.user import NewUser, Users


async def user(database: Database) -> str:
    ident = new_id(1)
    assert await Users(database).create(NewUser(ident, "Ada", "ada", None, None), 1)
    return ident


async def test_P22_who_has_chosen_nothing_prefers_the_defaults(database: Database) -> None:
    ada, preferences = await user(database), Preferences(database)
    assert await preferences.of(ada) == Preference()
    assert await preferences.facts([ada]) == {ada: StatusFacts()}


async def test_P22_what_is_not_named_stays_as_it_was(database: Database) -> None:
    ada, preferences = await user(database), Preferences(database)
    await preferences.change(ada, {"theme": "dark", "hide_room": True})
    changed = await preferences.change(ada, {"dnd": True, "theme": None, "time_zone": "Europe/Lisbon"})
    assert changed == Preference(dnd=True, hide_room=True, theme="dark", time_zone="Europe/Lisbon")
    assert await preferences.of(ada) == changed
    assert await preferences.change(ada, {"sounds": False, "hide_room": False}) == changed._replace(sounds=False, hide_room=False)


async def test_P20_each_change_has_a_later_revision(database: Database) -> None:
    ada, preferences = await user(database), Preferences(database)
    revisions = []
    for dnd in (True, False, False):
        await preferences.change(ada, {"dnd": dnd})
        revisions.append((await preferences.facts([ada]))[ada].revision)
    assert revisions == sorted(set(revisions))


async def test_P22_changes_at_the_same_time_all_count(database: Database) -> None:
    ada, preferences = await user(database), Preferences(database)
    await asyncio.gather(
        preferences.change(ada, {"dnd": True}), preferences.change(ada, {"busy": "off"}), preferences.change(ada, {"theme": "light"})
    )
    assert await preferences.of(ada) == Preference(dnd=True, busy="off", theme="light")


async def test_P22_who_does_not_exist_prefers_nothing(database: Database) -> None:
    preferences = Preferences(database)
    with pytest.raises(NotFound):
        await preferences.change("nobody", {"dnd": True})
    assert await preferences.facts(["nobody"]) == {}


async def test_P22_who_deleted_the_account_is_gone(database: Database) -> None:
    ada, preferences = await user(database), Preferences(database)
    await database.execute("UPDATE app_user SET deleted_at = 1 WHERE id = $1", ada)
    with pytest.raises(NotFound):
        await preferences.change(ada, {"dnd": True})
    await preferences.seen({ada: 60_000})
    assert (await preferences.facts([ada]), await preferences.seen_at(ada)) == ({}, None)


async def test_H1_nothing_of_it_outlives_the_account(database: Database) -> None:
    ada, preferences = await user(database), Preferences(database)
    await preferences.change(ada, {"hide_status": True})
    await preferences.seen({ada: 60_000})
    assert await Users(database).delete(ada, 2)
    assert (await preferences.of(ada), await preferences.seen_at(ada)) == (Preference(), None)


async def test_P20_a_moment_never_goes_back_and_the_gone_are_left_out(database: Database) -> None:
    ada, bob, preferences = await user(database), await user(database), Preferences(database)
    assert await preferences.seen_at(ada) is None
    await preferences.seen({ada: 120_000, "nobody": 120_000})
    await preferences.seen({bob: 60_000, ada: 60_000})
    assert {name: facts.seen_at for name, facts in (await preferences.facts([ada, bob])).items()} == {ada: 120_000, bob: 60_000}
    await preferences.seen({})


async def test_P20_two_nodes_write_the_same_users_at_once(database: Database) -> None:
    users, preferences = [await user(database) for _ in range(30)], Preferences(database)
    await asyncio.gather(preferences.seen(dict.fromkeys(users, 60000)), preferences.seen(dict.fromkeys(reversed(users), 120000)))
    assert {await preferences.seen_at(name) for name in users} == {120_000}
