"""Login sessions and their refresh tokens on the real database, with time set by hand (RELIABILITY T8-T11)."""

import asyncio

import pytest

from commonroom.account.login import Logins, SignedIn
from commonroom.codes import CloseCode
from commonroom.engine.revocation import Revocations
from commonroom.errors import Conflict, TokenExpired, Unauthenticated
from commonroom.identity import Principal, SessionId
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.user import NewUser, Users
from commonroom.token import PURPOSES, REFRESH_TTL_S, KeyRing, PrincipalTokens, RefreshTokens, SigningKey
from tests.support.clock import NOW, HandClock

GRACE_MS = 30_000
KEYS = [SigningKey("k1", purpose, purpose.encode() * 32) for purpose in PURPOSES]


class Desk:
    """Logins over one database, and what its gateway was told to close."""

    def __init__(self, database: Database) -> None:
        self.clock = HandClock()
        self.database = database
        self.closed: list[SessionId] = []
        self.ring = KeyRing(KEYS, self.clock)
        revocations = Revocations(RevokedSessions(database), self.clock)
        revocations.close_sid = self._close
        tokens = (PrincipalTokens("access", self.ring, self.clock), RefreshTokens(self.ring, self.clock))
        self.logins = Logins(LoginSessions(database), revocations, tokens, self.clock, GRACE_MS / 1000)

    def _close(self, sid: SessionId, code: CloseCode) -> None:
        assert code is CloseCode.SESSION_ENDED
        self.closed.append(sid)

    async def guest(self) -> SignedIn:
        return await self.logins.new_guest("Ada", "a browser")

    async def user(self) -> str:
        ident = new_id(NOW)
        assert await Users(self.database).create(NewUser(ident, "Ada L.", "ada l.", None, None), NOW)
        return ident


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


async def test_a_refresh_token_brings_its_successor_and_both_tokens_prove_the_same_person(desk: Desk) -> None:
    first = await desk.guest()
    second = await desk.logins.refresh(first.refresh.token)
    assert second.login == first.login
    assert second.refresh.token != first.refresh.token
    assert desk.logins.proven(second.access.token).principal == first.login.principal
    third = await desk.logins.refresh(second.refresh.token)
    assert third.login == first.login


async def test_T9_a_token_used_again_after_the_grace_ends_the_session_and_its_sockets(desk: Desk) -> None:
    first = await desk.guest()
    second = await desk.logins.refresh(first.refresh.token)
    desk.clock.ms += GRACE_MS + 1
    with pytest.raises(Unauthenticated):
        await desk.logins.refresh(first.refresh.token)
    assert desk.closed == [first.login.sid]
    for token in (first, second):
        with pytest.raises(Unauthenticated):
            await desk.logins.refresh(token.refresh.token)
        with pytest.raises(Unauthenticated):
            desk.logins.proven(token.access.token)


async def test_T9_an_older_token_ends_the_session_too(desk: Desk) -> None:
    first = await desk.guest()
    second = await desk.logins.refresh(first.refresh.token)
    desk.clock.ms += GRACE_MS + 1
    third = await desk.logins.refresh(second.refresh.token)
    desk.clock.ms += GRACE_MS + 1
    with pytest.raises(Unauthenticated):
        await desk.logins.refresh(first.refresh.token)
    with pytest.raises(Unauthenticated):
        await desk.logins.refresh(third.refresh.token)


async def test_T10_twenty_tabs_that_refresh_at_once_get_the_same_successor(desk: Desk) -> None:
    first = await desk.guest()
    together = await asyncio.gather(*(desk.logins.refresh(first.refresh.token) for _ in range(20)))
    assert len({one.refresh.token for one in together}) == 1
    desk.clock.ms += GRACE_MS
    again = await desk.logins.refresh(first.refresh.token)
    assert again.refresh.token == together[0].refresh.token, "a lost answer is given again within the grace"
    assert (await desk.logins.refresh(again.refresh.token)).login == first.login


async def test_T10_who_comes_late_within_the_grace_is_told_and_nothing_ends(desk: Desk) -> None:
    first = await desk.guest()
    second = await desk.logins.refresh(first.refresh.token)
    third = await desk.logins.refresh(second.refresh.token)
    with pytest.raises(Conflict):
        await desk.logins.refresh(first.refresh.token)
    assert (await desk.logins.refresh(third.refresh.token)).login == first.login
    assert desk.closed == []


async def test_T11_only_hashes_of_tokens_are_stored(desk: Desk) -> None:
    first = await desk.guest()
    second = await desk.logins.refresh(first.refresh.token)
    tables = await desk.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in tables:
        rows = await desk.database.fetch(f'SELECT t::text AS line FROM "{table["tablename"]}" t')
        for signed_in in (first, second):
            for token in (signed_in.refresh.token, signed_in.access.token):
                claims = token.split(".")[1]
                assert not any(token in row["line"] or claims in row["line"] for row in rows), table["tablename"]


async def test_a_refresh_token_slides_and_ends_after_30_idle_days(desk: Desk) -> None:
    first = await desk.guest()
    desk.clock.ms += REFRESH_TTL_S * 1000 - 1000
    second = await desk.logins.refresh(first.refresh.token)
    assert second.refresh.expires_at >= desk.clock.ms + REFRESH_TTL_S * 1000 - 1000
    desk.clock.ms += REFRESH_TTL_S * 1000
    with pytest.raises(TokenExpired):
        await desk.logins.refresh(second.refresh.token)


async def test_T7_tokens_of_other_purposes_are_no_refresh_tokens_and_the_reverse(desk: Desk) -> None:
    first = await desk.guest()
    ws = PrincipalTokens("ws", desk.ring, desk.clock).mint(first.login.authority(0))
    for token in (first.access.token, ws.token, "", "a.b.c", None, 7):
        with pytest.raises(Unauthenticated):
            await desk.logins.refresh(token)
        assert await desk.logins.of(token) is None
    for token in (first.refresh.token, ws.token):
        with pytest.raises(Unauthenticated):
            desk.logins.proven(token)


async def test_T8_a_session_survives_the_rotation_of_its_keys(desk: Desk) -> None:
    first = await desk.guest()
    new = [SigningKey("k2", key.purpose, key.secret[::-1], NOW) for key in KEYS]
    desk.ring.replace([*(key._replace(until=NOW + 1_000_000) for key in KEYS), *new])
    second = await desk.logins.refresh(first.refresh.token)
    desk.clock.ms += 200_000
    third = await desk.logins.refresh(second.refresh.token)
    desk.clock.ms = NOW + 1_000_000
    assert (await desk.logins.refresh(third.refresh.token)).login == first.login
    with pytest.raises(Unauthenticated):
        await desk.logins.refresh(second.refresh.token)


async def test_a_guest_that_signs_in_stays_the_same_session_with_new_tokens(desk: Desk) -> None:
    guest, person = await desk.guest(), await desk.user()
    user = await desk.logins.sign_in(person, "a browser", guest.login)
    assert user.login.sid == guest.login.sid
    assert user.login.principal == Principal("user", person)
    assert desk.logins.proven(user.access.token).owns(guest.login.principal)
    desk.clock.ms += GRACE_MS + 1
    assert await desk.logins.of(guest.refresh.token) is None, "the guest's refresh token is over"
    assert await desk.logins.of(user.refresh.token) == user.login


async def test_a_sign_in_without_a_guest_or_with_one_that_is_a_user_already_is_a_new_session(desk: Desk) -> None:
    guest, person = await desk.guest(), await desk.user()
    first = await desk.logins.sign_in(person, "a browser", guest.login)
    second = await desk.logins.sign_in(await desk.user(), "a browser", guest.login)
    third = await desk.logins.sign_in(person, "a phone")
    assert len({first.login.sid, second.login.sid, third.login.sid}) == 3
    assert first.login.principal == third.login.principal != second.login.principal


async def test_A10_of_too_many_sessions_those_not_seen_for_longest_end_and_their_sockets_close(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonroom.account.login.MAX_OF_A_USER", 3)
    person, stranger = await desk.user(), await desk.user()
    other = await desk.logins.sign_in(stranger, "a browser")
    begun = []
    for _ in range(3):
        desk.clock.ms += 1000
        begun.append(await desk.logins.sign_in(person, "a script"))
    desk.clock.ms += GRACE_MS + 1
    seen = await desk.logins.refresh(begun[0].refresh.token)
    assert desk.closed == []
    guest = await desk.guest()
    fourth = await desk.logins.sign_in(person, "a browser", guest.login)
    assert desk.closed == [begun[1].login.sid]
    for alive in (seen, begun[2], fourth, other):
        login = await desk.logins.of(alive.refresh.token)
        assert login is not None
        assert login.sid == alive.login.sid
    await desk.logins.sign_in(person, "a browser")
    assert desk.closed == [begun[1].login.sid, begun[2].login.sid]


async def test_a_session_that_a_browser_replaces_ends_if_it_is_a_users_and_another(desk: Desk) -> None:
    person = await desk.user()
    guest, first = await desk.guest(), await desk.logins.sign_in(person, "a browser")
    second = await desk.logins.sign_in(person, "a browser")
    for kept in (guest.refresh.token, second.refresh.token, second.access.token, "nobody", None):
        await desk.logins.end_replaced(kept, second.login)
    assert desk.closed == []
    await desk.logins.refresh(first.refresh.token)  # another tab did, the answer is not here yet
    await desk.logins.end_replaced(first.refresh.token, second.login)
    assert desk.closed == [first.login.sid]


async def test_all_sessions_of_a_person_end_but_the_one_that_asks(desk: Desk) -> None:
    person = await desk.user()
    here, there = [await desk.logins.sign_in(person, agent) for agent in ("a browser", "a phone")]
    assert list(await desk.logins.end_all(person, here.login.sid)) == [there.login.sid]
    assert desk.closed == [there.login.sid]
    with pytest.raises(Unauthenticated):
        await desk.logins.refresh(there.refresh.token)
    with pytest.raises(Unauthenticated):
        desk.logins.proven(there.access.token)
    renewed = await desk.logins.renew(here.login.sid)
    desk.clock.ms += GRACE_MS + 1
    assert (await desk.logins.refresh(renewed.refresh.token)).login == here.login
