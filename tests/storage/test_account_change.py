"""Changes of an account beside sign-ins to it, on the real database."""

import asyncio

import pytest

from commonroom.errors import Conflict
from commonroom.ids import new_id, new_secret
from commonroom.storage.pool import Database
from commonroom.storage.repository.account_change import account_change
from commonroom.storage.repository.login_session import CREATE, HOLD, LoginSessions
from commonroom.storage.repository.user import NewUser, User, Users
from tests.support.blocked import until_blocked

NOW = 1_000_000
UNTIL = NOW + 10
LETTERS = "SELECT count(*) FROM one_time_token WHERE user_id = $1"


async def somebody(database: Database) -> User:
    """With a password, two login sessions and a letter under way."""
    ident, logins = new_id(NOW), LoginSessions(database)
    address = f"{ident}@example.org"
    assert await Users(database).create(NewUser(ident, "Ada", "ada", address, address, "old"), NOW)
    for _ in range(2):
        assert await logins.begin(ident, None, new_secret().encode(), "", NOW)
    await letter(database, ident)
    user = await Users(database).by_id(ident)
    assert user is not None
    return user


async def letter(database: Database, user: str) -> None:
    columns = "hash, purpose, email_key, code_hash, user_id, created_at, expires_at"
    await database.execute(f"INSERT INTO one_time_token ({columns}) VALUES ($1, 'reset', $2, '', $2, 0, 1)", new_secret().encode(), user)


async def sessions(database: Database, user: User) -> int:
    count: int = await database.fetchval("SELECT count(*) FROM login_session WHERE actor_id = $1 AND ended_at IS NULL", user.id)
    return count


@pytest.mark.parametrize("change_it", ["password", "email", "deletion"])
async def test_what_is_changed_voids_the_letters_under_way(database: Database, change_it: str) -> None:
    user = await somebody(database)
    async with account_change(database, user.id) as change:
        assert change is not None
        if change_it == "password":
            await change.set_password("new")
        elif change_it == "email":
            await change.set_email(f"x{user.email}", f"x{user.email}")
        else:
            await change.delete(NOW)
    assert await database.fetchval(LETTERS, user.id) == 0


async def test_a_change_that_is_interrupted_changes_nothing(database: Database) -> None:
    user = await somebody(database)

    async def half() -> None:
        async with account_change(database, user.id) as change:
            assert change is not None
            await change.set_password("new")
            assert len(await change.end_sessions(NOW, UNTIL)) == 2
            raise Conflict("on second thoughts")

    with pytest.raises(Conflict):
        await half()
    assert await Users(database).by_id(user.id) == user
    assert (await sessions(database, user), await database.fetchval(LETTERS, user.id)) == (2, 1)


async def test_a_sign_in_during_a_change_waits_and_then_needs_the_new_password(database: Database) -> None:
    user, logins = await somebody(database), LoginSessions(database)
    async with account_change(database, user.id) as change:
        assert change is not None
        late = asyncio.create_task(logins.begin(user.id, None, new_secret().encode(), "", NOW, seen=user))
        by_provider = asyncio.create_task(logins.begin(user.id, None, new_secret().encode(), "", NOW))
        await until_blocked(database, 2)
        await change.set_password("new")
        assert len(await change.end_sessions(NOW, UNTIL)) == 2
    assert await late is None
    assert await by_provider is not None
    assert await sessions(database, user) == 1


@pytest.mark.parametrize("change_it", ["password", "email"])
async def test_a_proof_of_what_an_account_was_begins_no_session_once_it_has_changed(database: Database, change_it: str) -> None:
    """A letter may have been taken a moment before the change that voids it."""
    user, logins = await somebody(database), LoginSessions(database)
    assert await logins.begin(user.id, None, new_secret().encode(), "", NOW, seen=user)
    async with account_change(database, user.id) as change:
        assert change is not None
        if change_it == "password":
            await change.set_password("new")
        else:
            await change.set_email(f"x{user.email}", f"x{user.email}")
    assert await logins.begin(user.id, None, new_secret().encode(), "", NOW, seen=user) is None


async def test_a_change_waits_for_a_sign_in_that_is_under_way_and_ends_its_session(database: Database) -> None:
    user = await somebody(database)

    async def new_password() -> int:
        async with account_change(database, user.id) as change:
            assert change is not None
            await change.set_password("new")
            return len(await change.end_sessions(NOW, UNTIL))

    async with database.transaction() as connection:
        assert await connection.fetchval(HOLD, user.id, False, user.password_hash, user.email)
        changing = asyncio.create_task(new_password())
        await until_blocked(database)
        await connection.execute(CREATE, new_id(NOW), new_secret().encode(), "user", user.id, "", NOW, "")
    assert await changing == 3
    assert await sessions(database, user) == 0


async def test_nobody_signs_in_to_an_account_while_it_is_deleted(database: Database) -> None:
    user, logins = await somebody(database), LoginSessions(database)
    async with account_change(database, user.id) as change:
        assert change is not None
        late = asyncio.create_task(logins.begin(user.id, None, new_secret().encode(), "", NOW))
        await until_blocked(database)
        await change.delete(NOW)
        await change.end_sessions(NOW, UNTIL)
    assert await late is None
    assert await sessions(database, user) == 0


async def test_a_session_is_signed_in_to_one_account_until_it_ends(database: Database) -> None:
    user, other, logins = await somebody(database), await somebody(database), LoginSessions(database)
    mine, theirs = [await logins.begin(one.id, None, new_secret().encode(), "", NOW) for one in (user, other)]
    assert mine is not None
    assert theirs is not None
    async with account_change(database, user.id) as change:
        assert change is not None
        assert await change.is_signed_in(mine)
        assert not await change.is_signed_in(theirs)
        await change.end_sessions(NOW, UNTIL)
        assert not await change.is_signed_in(mine)


async def test_an_account_that_is_not_there_is_not_changed(database: Database) -> None:
    async with account_change(database, "nobody") as change:
        assert change is None
