"""Blocks in the table: whom they hide from whom, by all the names that a person has."""

import asyncio

import pytest

from commonroom.errors import LimitExceeded
from commonroom.identity import MAX_GUESTS, Principal, SessionId
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository import block
from commonroom.storage.repository.block import Blocks
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.user import NewUser, Users


async def user(database: Database, name: str = "Ada", username: str | None = None) -> Principal:
    ident = new_id(1)
    assert await Users(database).create(NewUser(ident, name, name.lower(), None, None), 1)
    if username is not None:
        await Users(database).claim_username(ident, username, username)
    return Principal("user", ident)


async def guest(database: Database, name: str = "Gus") -> Principal:
    return (await LoginSessions(database).create_guest(name, new_id(1).encode(), "test", 1)).principal


async def sign_in(database: Database, as_user: Principal, was: Principal, now: int = 2) -> None:
    sid = await LoginSessions(database).begin(as_user.actor_id, SessionId(was.actor_id), new_id(1).encode(), "test", now)
    assert sid == was.actor_id


async def hidden(database: Database, reader: Principal) -> set[Principal]:
    return set((await Blocks(database).hidden([reader])).get(reader, frozenset()))


async def test_a_block_hides_both_from_each_other_and_nobody_else(database: Database) -> None:
    ada, bob, cid, gus = await user(database), await user(database), await user(database), await guest(database)
    blocks = Blocks(database)
    await blocks.add(ada.actor_id, bob, 5)
    await blocks.add(ada.actor_id, gus, 6)
    assert await blocks.hidden([ada, bob, cid, gus]) == {ada: {bob, gus}, bob: {ada}, gus: {ada}}


async def test_a_blocked_user_is_hidden_as_the_guests_that_it_was_and_they_see_no_more(database: Database) -> None:
    ada, bob = await user(database), await user(database)
    was, becomes = await guest(database), await guest(database)
    await sign_in(database, bob, was)
    await Blocks(database).add(ada.actor_id, bob, 5)
    assert await hidden(database, ada) == {bob, was}
    await sign_in(database, bob, becomes)
    assert await hidden(database, ada) == {bob, was, becomes}
    assert [await hidden(database, one) for one in (bob, was, becomes)] == [{ada}] * 3


async def test_a_blocked_guest_stays_hidden_as_the_user_that_it_becomes(database: Database) -> None:
    ada, bob = await user(database), await user(database)
    gus, other = await guest(database), await guest(database)
    await Blocks(database).add(ada.actor_id, gus, 5)
    await sign_in(database, bob, other)
    assert await hidden(database, ada) == {gus}
    assert await hidden(database, bob) == set()
    await sign_in(database, bob, gus)
    assert await hidden(database, ada) == {bob, gus, other}
    assert await hidden(database, bob) == {ada}


async def test_A8_a_block_of_a_guest_outlasts_any_number_of_sign_ins(database: Database) -> None:
    ada, bob, gus = await user(database), await user(database), await guest(database)
    await Blocks(database).add(ada.actor_id, gus, 5)
    await sign_in(database, bob, gus)
    for number in range(MAX_GUESTS + 1):
        await sign_in(database, bob, await guest(database), 3 + number)
    assert await hidden(database, bob) == await hidden(database, gus) == {ada}
    assert await hidden(database, ada) >= {bob, gus}, "what they said as the guest who was blocked stays hidden, too"
    assert await Blocks(database).remove(ada.actor_id, bob)
    assert (await hidden(database, ada), await hidden(database, bob)) == (set(), set())


async def test_who_hides_from_a_user_are_those_whom_it_does_not_block(database: Database) -> None:
    ada, bob, cid, was = await user(database), await user(database), await user(database), await guest(database)
    await sign_in(database, bob, was)
    blocks = Blocks(database)
    for blocker, blocked in ((bob, ada), (cid, ada), (ada, was)):
        await blocks.add(blocker.actor_id, blocked, 5)
    assert await hidden(database, ada) == {bob, was, cid}
    assert await blocks.hiding(ada) == {cid}


async def test_the_guests_that_the_blocker_was_are_hidden_too_and_nobody_is_hidden_from_themselves(database: Database) -> None:
    ada, bob, was = await user(database), await user(database), await guest(database)
    await Blocks(database).add(ada.actor_id, bob, 5)
    await Blocks(database).add(ada.actor_id, was, 5)
    await sign_in(database, ada, was)
    assert await hidden(database, bob) == {ada, was}
    assert await hidden(database, ada) == {bob}
    assert await hidden(database, was) == {bob}, "a tab with an old token is still that person"


async def test_a_block_that_is_taken_back_is_gone_whatever_the_person_is_called(database: Database) -> None:
    ada, bob, was = await user(database), await user(database), await guest(database)
    blocks = Blocks(database)
    await blocks.add(ada.actor_id, was, 5)
    await sign_in(database, bob, was)
    await blocks.add(ada.actor_id, bob, 6)
    assert [(one.principal, one.at) for one in await blocks.list(ada.actor_id)] == [(bob, 6)], "one person, listed once"
    assert await blocks.remove(ada.actor_id, was)
    assert (await hidden(database, ada), await blocks.list(ada.actor_id)) == (set(), [])
    await blocks.add(ada.actor_id, was, 7)
    assert await blocks.remove(ada.actor_id, bob)
    assert not await blocks.remove(ada.actor_id, bob)
    assert (await hidden(database, ada), await hidden(database, bob)) == (set(), set())


async def test_a_block_of_both_ways_needs_both_to_take_it_back(database: Database) -> None:
    ada, bob = await user(database), await user(database)
    blocks = Blocks(database)
    await blocks.add(ada.actor_id, bob, 5)
    await blocks.add(bob.actor_id, ada, 5)
    await blocks.remove(ada.actor_id, bob)
    assert await blocks.hidden([ada, bob]) == {ada: {bob}, bob: {ada}}


async def test_the_list_names_people_as_they_are_called_today(database: Database) -> None:
    ada, bob, gus = await user(database), await user(database, "Bob", "bob" + new_id(1)[-12:].lower()), await guest(database, "Gus")
    gone = await user(database, "Gone")
    blocks = Blocks(database)
    for at, one in enumerate((bob, gus, gone)):
        await blocks.add(ada.actor_id, one, at)
    await Users(database).delete(gone.actor_id, 9)
    listed = [(one.principal, one.name, one.username is not None, one.at) for one in await blocks.list(ada.actor_id)]
    assert listed == [(gone, "", False, 2), (gus, "Gus", False, 1), (bob, "Bob", True, 0)]


async def test_blocks_are_counted_and_the_one_too_many_is_refused_even_of_two_at_once(database: Database) -> None:
    ada = await user(database)
    blocks = Blocks(database)
    people = [await user(database) for _ in range(5)]
    for one in people[:2]:
        await blocks.add(ada.actor_id, one, 1, most=3)
    outcomes = await asyncio.gather(*(blocks.add(ada.actor_id, one, 1, most=3) for one in people[2:]), return_exceptions=True)
    assert [type(one) for one in outcomes if one is not None] == [LimitExceeded] * 2
    await blocks.add(ada.actor_id, people[0], 1, most=3)
    assert len(await blocks.list(ada.actor_id)) == 3


async def test_all_names_of_people_are_found(database: Database) -> None:
    bob, was, gus = await user(database), await guest(database), await guest(database)
    await sign_in(database, bob, was)
    assert set(await Blocks(database).names(bob, gus)) == {bob, was, gus}


async def test_a_users_own_blocks_go_with_the_account(database: Database) -> None:
    ada, bob = await user(database), await user(database)
    await Blocks(database).add(ada.actor_id, bob, 5)
    await Users(database).delete(ada.actor_id, 9)
    assert await Blocks(database).list(ada.actor_id) == []
    assert await hidden(database, bob) == set()


async def test_of_those_who_block_somebody_the_latest_are_hidden(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await user(database)
    blockers = [await user(database) for _ in range(4)]
    blocks = Blocks(database)
    for at, blocker in enumerate(blockers):
        await blocks.add(blocker.actor_id, ada, at)
    monkeypatch.setattr(block, "HIDDEN", block.HIDDEN.replace(f"LIMIT {block.MAX_BLOCKERS}", "LIMIT 2"))
    assert await hidden(database, ada) == set(blockers[-2:])
    assert await hidden(database, blockers[0]) == {ada}
