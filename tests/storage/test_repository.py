"""Login sessions and signing keys: what is stored of a secret, and what is found by it."""

import asyncio

from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.signing_key import SigningKeys

SEEN = "SELECT last_seen FROM login_session WHERE sid = $1"
LONG_AGO = 1_000_000


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
