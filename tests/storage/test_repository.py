"""Login sessions and signing keys: what is stored of a secret, and what is found by it."""

import asyncio

from commonroom.identity import SessionId
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.signing_key import SigningKeys

SEEN = "SELECT last_seen FROM login_session WHERE sid = $1"
LONG_AGO = 1_000_000
FAR_AHEAD = 2**45


async def test_a_guest_is_found_by_its_secret_alone(database: Database) -> None:
    logins = LoginSessions(database)
    session, secret = await logins.create_guest("Ada", LONG_AGO)
    assert await logins.find(secret) == session
    assert session.principal.actor_id == session.sid
    for wrong in ("", "x" * 43, session.sid, secret + "x", "\ud800", "\0"):
        assert await logins.find(wrong) is None


async def test_only_a_hash_of_the_secret_is_stored(database: Database) -> None:
    _, secret = await LoginSessions(database).create_guest("Ada", LONG_AGO)
    dump = await database.fetch("SELECT l::text AS line FROM login_session l")
    assert not any(secret in row["line"] or secret.encode().hex() in row["line"] for row in dump)


async def test_a_session_counts_as_seen_within_the_hour(database: Database) -> None:
    logins = LoginSessions(database)
    session, secret = await logins.create_guest("Ada", LONG_AGO)
    await logins.find(secret)
    seen = await database.fetchval(SEEN, session.sid)
    assert seen > LONG_AGO
    await logins.find(secret)
    assert await database.fetchval(SEEN, session.sid) == seen


async def test_names_follow_a_rename_and_who_is_gone_is_missing(database: Database) -> None:
    logins = LoginSessions(database)
    ada, _ = await logins.create_guest("Ada", LONG_AGO)
    bob, _ = await logins.create_guest("Bob", LONG_AGO)
    await logins.rename(ada.sid, "Ada L.")
    assert await logins.names([ada.sid, bob.sid, "nobody"]) == {ada.sid: "Ada L.", bob.sid: "Bob"}
    assert await logins.names([]) == {}


async def test_nodes_that_start_together_agree_on_one_key(database: Database) -> None:
    keys, purpose = SigningKeys(database), f"test {new_id(1)}"
    found = await asyncio.gather(*(keys.of(purpose, LONG_AGO) for _ in range(5)))
    assert all(each == found[0] for each in found)
    (key,) = found[0]
    assert len(key.secret) >= 32
    assert await keys.of(f"{purpose} other", LONG_AGO) != found[0]


async def test_an_ended_login_is_not_found_any_more_and_its_name_stays(database: Database) -> None:
    logins, revoked = LoginSessions(database), RevokedSessions(database)
    ada, secret = await logins.create_guest("Ada", LONG_AGO)
    bob, his = await logins.create_guest("Bob", LONG_AGO)
    await revoked.add(ada.sid, LONG_AGO, LONG_AGO + 10)
    assert await logins.find(secret) is None
    assert await logins.find(his) == bob
    assert await logins.names([ada.sid]) == {ada.sid: "Ada"}


async def test_revoked_sessions_are_read_until_their_time_has_passed_the_latest_first(database: Database) -> None:
    revoked = RevokedSessions(database)
    sids = [SessionId(new_id(1)) for _ in range(4)]
    for nth, sid in enumerate(sids):
        await revoked.add(sid, FAR_AHEAD, FAR_AHEAD + nth)
    await revoked.add(sids[3], FAR_AHEAD, FAR_AHEAD + 1)
    assert await revoked.read(FAR_AHEAD, 10) == [(sids[nth], FAR_AHEAD + nth) for nth in (3, 2, 1)]
    assert await revoked.read(FAR_AHEAD, 2) == [(sids[nth], FAR_AHEAD + nth) for nth in (3, 2)]
    await revoked.trim(FAR_AHEAD + 1)
    assert [sid for sid, _ in await revoked.read(FAR_AHEAD - 1, 10)] == [sids[3], sids[2]]
    await revoked.trim(FAR_AHEAD + 10)
    assert await revoked.read(FAR_AHEAD - 1, 10) == []
