"""What is forgotten of login sessions in time, and what is kept because messages need it."""

import asyncio

import pytest

from commonroom.identity import MAX_GUESTS, SessionId
from commonroom.ids import new_id, new_secret
from commonroom.storage import purge
from commonroom.storage.pool import Database
from commonroom.storage.repository import old_session
from commonroom.storage.repository.login_session import Known, LoginSessions
from commonroom.storage.repository.old_session import OldSessions
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.user import NewUser, Users

IDLE = 5_000
"""All that other tests leave behind was seen later."""


class Attic:
    """Login sessions of one user, of the times asked for."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.logins = LoginSessions(database)
        self.user = new_id(0)

    async def open(self) -> None:
        assert await Users(self.database).create(NewUser(self.user, "Ada L.", "ada l.", None, None), 0)

    async def guest(self, seen: int) -> SessionId:
        return (await self.logins.create_guest("Ada", new_secret().encode(), "a browser", seen)).sid

    async def login(self, seen: int, guest: SessionId | None = None) -> SessionId:
        sid = await self.logins.begin(self.user, guest, new_secret().encode(), "a browser", seen)
        assert sid is not None
        return sid

    async def end(self, sid: SessionId, at: int) -> None:
        await RevokedSessions(self.database).add([sid], at, at + 1)

    async def left(self, *sids: SessionId) -> set[str]:
        rows = await self.database.fetch("SELECT sid FROM login_session WHERE sid = ANY ($1)", sids)
        return {row["sid"] for row in rows}


@pytest.fixture
async def attic(database: Database) -> Attic:
    attic = Attic(database)
    await attic.open()
    return attic


async def test_who_was_not_seen_for_long_is_forgotten_guest_or_user(attic: Attic) -> None:
    idle = [await attic.guest(IDLE - 1), await attic.login(IDLE - 1)]
    seen = [await attic.guest(IDLE), await attic.login(IDLE)]
    await OldSessions(attic.database).purge(IDLE, 0, IDLE + 1)
    assert await attic.left(*idle, *seen) == set(seen)


async def test_the_row_that_says_whose_a_guests_messages_are_is_kept_and_only_its_login_ends(attic: Attic) -> None:
    guest = await attic.guest(IDLE - 2)
    assert await attic.login(IDLE - 1, guest) == guest
    present = await attic.login(IDLE)
    await OldSessions(attic.database).purge(IDLE, 0, IDLE + 1)
    assert await attic.logins.find(guest) is None
    assert await attic.logins.names([guest]) == {guest: Known("Ada L.", attic.user)}
    login = await attic.logins.find(present)
    assert login is not None
    assert login.guests == (guest,)
    await OldSessions(attic.database).purge(IDLE + 100, IDLE + 100, IDLE + 101)
    assert await attic.left(guest, present) == {guest}


async def test_an_ended_login_of_a_user_is_forgotten_once_its_tokens_are_over(attic: Attic) -> None:
    early, late, was_guest, guest = (
        await attic.login(IDLE), await attic.login(IDLE), await attic.login(IDLE, await attic.guest(IDLE)), await attic.guest(IDLE),
    )  # fmt: skip
    for sid, at in ((early, IDLE + 1), (late, IDLE + 2), (was_guest, IDLE + 1), (guest, IDLE + 1)):
        await attic.end(sid, at)
    await OldSessions(attic.database).purge(0, IDLE + 2, IDLE + 3)
    assert await attic.left(early, late, was_guest, guest) == {late, was_guest, guest}
    assert (await attic.logins.names([guest]))[guest].name == "Ada", "a guest's name outlives its logout"


async def test_more_than_a_batch_is_forgotten_by_two_nodes_at_once(attic: Attic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 3)
    idle = [await attic.login(IDLE - 1) for _ in range(10)]
    were_guests = [await attic.login(IDLE - 1, await attic.guest(IDLE - 1)) for _ in range(7)]
    await asyncio.gather(*(OldSessions(attic.database).purge(IDLE, 0, IDLE + 1) for _ in range(2)))
    await OldSessions(attic.database).purge(IDLE, 0, IDLE + 1)
    assert await attic.left(*idle, *were_guests) == set(were_guests)
    assert [await attic.logins.find(sid) for sid in were_guests] == [None] * 7
    assert len(were_guests) < MAX_GUESTS


CROWD = """
INSERT INTO login_session (sid, secret_hash, actor_type, actor_id, name, created_at, last_seen, upgraded_at, ended_at)
SELECT 'crowd' || n, sha256(('crowd' || n)::bytea), 'user', 'user' || n / 10, 'Ada', 0, n, CASE n % 4 WHEN 1 THEN NULL ELSE n END, n
FROM generate_series(1, 4000) AS n
"""


async def test_each_step_of_the_purge_looks_in_an_index_of_its_own(attic: Attic) -> None:
    """Tables of any size: a step reads what it deletes, never those that are kept for good."""
    for statement, index in (
        (old_session.FORGET_IDLE, "login_session_idle"),
        (old_session.FORGET_ENDED, "login_session_ended"),
        (old_session.END_IDLE, "login_session_idle_upgraded"),
    ):
        async with attic.database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(CROWD)
            await connection.execute("ANALYZE login_session")
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            types = "bigint, bigint, bigint" if "$3" in statement else "bigint, bigint"
            await connection.execute(f"PREPARE step ({types}) AS {statement}")
            values = "0, 0, 0" if "$3" in statement else "0, 0"
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE step ({values})"))
            await connection.execute("DEALLOCATE step")
            await transaction.rollback()
        assert f"using {index} on" in plan, plan
