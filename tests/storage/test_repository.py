"""Login sessions, people and signing keys on the real database."""

import asyncio

from commonroom.account.name import folded
from commonroom.identity import MAX_GUESTS, Principal, SessionId
from commonroom.ids import new_id, new_secret
from commonroom.storage.pool import Database
from commonroom.storage.repository.login_session import Known, LoginSession, LoginSessions
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.signing_key import SigningKeys
from commonroom.storage.repository.user import NewUser, Users

LONG_AGO = 1_000_000
FAR_AHEAD = 2**45


async def guest(logins: LoginSessions, name: str = "Ada", refresh: bytes | None = None) -> LoginSession:
    return await logins.create_guest(name, refresh or new_secret().encode(), "a browser", LONG_AGO)


async def user(database: Database, name: str = "Ada L.") -> str:
    ident = new_id(LONG_AGO)
    assert await Users(database).create(NewUser(ident, name, name.lower(), None, None), LONG_AGO)
    return ident


async def signed_in(database: Database, person: str) -> SessionId:
    sid = await LoginSessions(database).begin(person, None, new_secret().encode(), "a phone", LONG_AGO)
    assert sid is not None
    return sid


async def test_a_guest_is_its_login_session(database: Database) -> None:
    logins = LoginSessions(database)
    session = await guest(logins)
    assert await logins.find(session.sid) == session
    assert session.principal.actor_id == session.sid
    assert await logins.find(SessionId("nobody")) is None


async def test_only_the_valid_refresh_token_is_rotated_and_only_once(database: Database) -> None:
    logins = LoginSessions(database)
    session = await guest(logins, refresh=b"first")
    wrong = await logins.rotate(session.sid, b"guessed", b"mine", LONG_AGO + 1)
    assert wrong is not None
    assert (wrong.present, wrong.refreshed_at) == (b"first", LONG_AGO)
    together = await asyncio.gather(*(logins.rotate(session.sid, b"first", b"second", LONG_AGO + number) for number in range(2, 22)))
    assert len({one and one.refreshed_at for one in together}) == 1
    assert await logins.holder(session.sid, b"first") is None
    assert await logins.holder(session.sid, b"second") == session
    assert await logins.rotate(SessionId("nobody"), b"first", b"second", LONG_AGO) is None


async def test_a_guest_that_becomes_a_user_keeps_its_sid_and_is_seen_as_the_user(database: Database) -> None:
    logins = LoginSessions(database)
    before, person = await guest(logins), await user(database)
    assert await logins.begin(person, before.sid, b"new", "", LONG_AGO + 1) == before.sid
    assert await logins.begin(await user(database), before.sid, b"other", "", LONG_AGO + 2) != before.sid, "a user is nobody's guest"
    after = await logins.find(before.sid)
    assert after is not None
    assert (after.sid, after.principal, after.name, after.guests) == (before.sid, Principal("user", person), "Ada L.", (before.sid,))
    other = await logins.find(await signed_in(database, person))
    assert other is not None
    assert other.guests == (before.sid,)
    assert await logins.names([before.sid, person]) == {before.sid: Known("Ada L.", person), person: Known("Ada L.", person)}


async def test_the_newest_guests_are_known_and_no_more_than_the_limit(database: Database) -> None:
    logins, person = LoginSessions(database), await user(database)
    sids = [(await guest(logins)).sid for _ in range(MAX_GUESTS + 3)]
    for number, sid in enumerate(sids):
        await logins.begin(person, sid, new_secret().encode(), "", LONG_AGO + number)
    found = await logins.find(sids[0])
    assert found is not None
    assert found.guests == tuple(reversed(sids[3:]))


async def test_names_follow_a_rename_and_who_is_gone_is_missing(database: Database) -> None:
    logins = LoginSessions(database)
    ada, bob = await guest(logins), await guest(logins, "Bob")
    await logins.rename(ada.sid, "Ada L.")
    assert await logins.names([ada.sid, bob.sid, "nobody"]) == {ada.sid: Known("Ada L.", None), bob.sid: Known("Bob", None)}
    assert await logins.names([]) == {}


async def test_a_deleted_account_is_nobody_at_once_and_gone_after_its_purge(database: Database) -> None:
    logins, users = LoginSessions(database), Users(database)
    session, person = await guest(logins), await user(database)
    await logins.begin(person, session.sid, b"deleted", "", LONG_AGO)
    assert await users.link(person, "github", "1815", None, LONG_AGO)
    assert await users.delete(person, LONG_AGO)
    assert not await users.delete(person, LONG_AGO)
    assert await logins.find(session.sid) is None
    assert await users.by_id(person) is None
    assert await users.by_method("github", "1815") is None
    assert await logins.names([session.sid, person]) == {session.sid: Known("", None)}
    await users.purge(LONG_AGO + 1)
    assert await database.fetchval("SELECT count(*) FROM app_user WHERE id = $1", person) == 0
    assert await database.fetchval("SELECT count(*) FROM login_session WHERE sid = $1", session.sid) == 0


async def test_one_account_of_a_provider_is_one_person_here(database: Database) -> None:
    users, person = Users(database), await user(database)
    assert await users.link(person, "github", person, None, LONG_AGO)
    assert not await users.link(await user(database), "github", person, None, LONG_AGO)
    assert await users.by_method("github", person) == person


async def test_a_guest_whose_session_has_ended_becomes_nobody(database: Database) -> None:
    logins, ended, person = LoginSessions(database), await guest(LoginSessions(database)), await user(database)
    await RevokedSessions(database).add([ended.sid], LONG_AGO, LONG_AGO + 10)
    sid = await logins.begin(person, ended.sid, new_secret().encode(), "", LONG_AGO + 1)
    assert sid not in {None, ended.sid}
    assert await logins.find(ended.sid) is None


async def test_usernames_that_look_alike_are_one_also_under_a_race(database: Database) -> None:
    users = Users(database)
    people = [await user(database) for _ in range(5)]
    name = "a" + new_id(LONG_AGO)
    results = await asyncio.gather(*(users.claim_username(one, name, name) for one in people), return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["Conflict"] * 4 + ["NoneType"]


async def test_people_are_searched_by_prefix_and_wildcards_mean_nothing(database: Database) -> None:
    users, mark = Users(database), "z" + new_id(LONG_AGO)
    for username, name in ((f"{mark}ada", "Someone"), (f"{mark}", "Someone"), (f"x{mark}", f"{mark} Éva")):
        person = new_id(LONG_AGO)
        await users.create(NewUser(person, name, folded(name), None, None), LONG_AGO)
        await users.claim_username(person, username, username)
    assert [one.username for one in await users.search(mark, mark, 10)] == [mark, f"{mark}ada", f"x{mark}"]
    assert [one.username for one in await users.search("%", folded(f"{mark} eVA"), 10)] == [f"x{mark}"]
    for wild in ("%", "_" * 27, "\\"):
        assert mark not in {one.username for one in await users.search(wild, wild, 1000)}


async def test_nodes_that_start_together_agree_on_one_key_for_each_purpose(database: Database) -> None:
    keys, purpose = SigningKeys(database), f"test {new_id(1)}"
    await asyncio.gather(*(keys.complete((purpose, f"{purpose} too"), LONG_AGO) for _ in range(5)))
    ours = [key for key in await keys.read(LONG_AGO) if key.purpose.startswith(purpose)]
    assert sorted(key.purpose for key in ours) == [purpose, f"{purpose} too"]
    assert all(len(key.secret) >= 32 for key in ours)


async def test_a_rotated_key_is_read_until_its_overlap_is_over(database: Database) -> None:
    keys, purpose = SigningKeys(database), f"test {new_id(1)}"
    await keys.complete((purpose,), LONG_AGO)
    made = await keys.rotate({purpose: 100}, LONG_AGO + 1)
    old, new = sorted((key for key in await keys.read(LONG_AGO + 100) if key.purpose == purpose), key=lambda key: key.created_at)
    assert (old.until, new.until, new.kid) == (LONG_AGO + 101, None, made[purpose])
    assert [key.kid for key in await keys.read(LONG_AGO + 101) if key.purpose == purpose] == [new.kid]


async def test_an_ended_login_is_not_found_any_more_and_its_name_stays(database: Database) -> None:
    logins, revoked = LoginSessions(database), RevokedSessions(database)
    ada, bob = await guest(logins), await guest(logins, "Bob")
    await revoked.add([ada.sid], LONG_AGO, LONG_AGO + 10)
    assert await logins.find(ada.sid) is None
    assert await logins.find(bob.sid) == bob
    assert await logins.names([ada.sid]) == {ada.sid: Known("Ada", None)}


async def test_all_logins_of_a_person_end_but_one(database: Database) -> None:
    logins, revoked, person = LoginSessions(database), RevokedSessions(database), await user(database)
    sids = [await signed_in(database, person) for _ in range(3)]
    bob = await guest(logins, "Bob")
    assert set(await revoked.add_all(person, sids[0], FAR_AHEAD, FAR_AHEAD + 10)) == set(sids[1:])
    assert [one.sid for one in await logins.signed_in(Principal("user", person))] == [sids[0]]
    assert await logins.belongs(bob.sid, bob.principal)
    assert {sid for sid, _ in await revoked.read(FAR_AHEAD, 10)} >= set(sids[1:])
    await revoked.trim(FAR_AHEAD + 10)


async def test_revoked_sessions_are_read_until_their_time_has_passed_the_latest_first(database: Database) -> None:
    revoked = RevokedSessions(database)
    sids = [SessionId(new_id(1)) for _ in range(4)]
    for nth, sid in enumerate(sids):
        await revoked.add([sid], FAR_AHEAD, FAR_AHEAD + nth)
    await revoked.add([sids[3]], FAR_AHEAD, FAR_AHEAD + 1)
    assert await revoked.read(FAR_AHEAD, 10) == [(sids[nth], FAR_AHEAD + nth) for nth in (3, 2, 1)]
    assert await revoked.read(FAR_AHEAD, 2) == [(sids[nth], FAR_AHEAD + nth) for nth in (3, 2)]
    await revoked.trim(FAR_AHEAD + 1)
    assert [sid for sid, _ in await revoked.read(FAR_AHEAD - 1, 10)] == [sids[3], sids[2]]
    await revoked.trim(FAR_AHEAD + 10)
    assert await revoked.read(FAR_AHEAD - 1, 10) == []
