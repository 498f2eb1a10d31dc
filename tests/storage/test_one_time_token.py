"""One-time tokens: used once, for a quarter of an hour, and few codes are ever compared."""

import asyncio
from collections import Counter

import pytest

from commonroom.clock import ClusterClock
from commonroom.ids import new_id
from commonroom.storage.pool import Database
from commonroom.storage.repository import one_time_token
from commonroom.storage.repository.one_time_token import MAX_TRIES, TTL_MS, OneTimeToken, OneTimeTokens, void
from commonroom.token import KeyRing, SigningKey

KEY = bytes(range(32))


def ring(*secrets: bytes) -> KeyRing:
    return KeyRing([SigningKey(f"k{nth}", "code", secret, nth) for nth, secret in enumerate(secrets)], ClusterClock())


NOW = 1_700_000_000_000
SIGN_IN = "sign_in"
BOTH = ("register", SIGN_IN)


@pytest.fixture
def tokens(database: Database) -> OneTimeTokens:
    return OneTimeTokens(database, ring(KEY))


@pytest.fixture
def address() -> str:
    return f"{new_id(NOW)}@example.org"


async def _issue(tokens: OneTimeTokens, address: str, purpose: str = SIGN_IN, now_ms: int = NOW) -> tuple[str, str]:
    return await tokens.issue(purpose, address, user_id="u1", payload=b"\x00what waits", now_ms=now_ms)


def _other(code: str, nth: int = 1) -> str:
    return f"{(int(code) + nth) % 10**6:06d}"


async def test_a_token_tells_what_was_issued(tokens: OneTimeTokens, address: str) -> None:
    token, code = await _issue(tokens, address)
    assert len(token) >= 43
    assert len(code) == 6
    assert code.isdecimal()
    assert await tokens.take(BOTH, token, NOW) == OneTimeToken(SIGN_IN, address, "u1", b"\x00what waits")
    token, _ = await tokens.issue("register", address, user_id=None, payload=None, now_ms=NOW)
    assert await tokens.take(BOTH, token, NOW) == OneTimeToken("register", address, None, None)


async def test_a_code_tells_the_same_as_its_token(tokens: OneTimeTokens, address: str) -> None:
    _, code = await _issue(tokens, address)
    assert await tokens.take_by_code(BOTH, address, code, NOW) == OneTimeToken(SIGN_IN, address, "u1", b"\x00what waits")


async def test_T14_a_link_used_twice_works_once_and_so_does_its_code(tokens: OneTimeTokens, address: str) -> None:
    token, code = await _issue(tokens, address)
    assert await tokens.take([SIGN_IN], token, NOW) is not None
    assert await tokens.take([SIGN_IN], token, NOW) is None
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW) is None
    token, code = await _issue(tokens, address)
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW) is not None
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW) is None
    assert await tokens.take([SIGN_IN], token, NOW) is None


@pytest.mark.parametrize(("after_ms", "works"), [(TTL_MS - 1, True), (TTL_MS, False), (16 * 60_000, False)])
async def test_T14_neither_link_nor_code_outlives_a_quarter_of_an_hour(
    tokens: OneTimeTokens, address: str, after_ms: int, works: bool
) -> None:
    assert TTL_MS <= 15 * 60_000
    token, code = await _issue(tokens, address)
    taken = await tokens.take([SIGN_IN], token, NOW + after_ms)
    assert (taken is not None) is works
    token, code = await _issue(tokens, address)
    taken = await tokens.take_by_code([SIGN_IN], address, code, NOW + after_ms)
    assert (taken is not None) is works


async def test_T14_the_newest_letter_voids_the_older(tokens: OneTimeTokens, address: str) -> None:
    old_token, old_code = await _issue(tokens, address)
    token, code = await _issue(tokens, address)
    while code == old_code:
        token, code = await _issue(tokens, address)
    assert await tokens.take([SIGN_IN], old_token, NOW) is None
    assert await tokens.take_by_code([SIGN_IN], address, old_code, NOW) is None
    assert await tokens.take([SIGN_IN], token, NOW) is not None
    assert await tokens.take([SIGN_IN], old_token, NOW) is None


async def test_letters_of_another_purpose_or_address_stay_good(tokens: OneTimeTokens, address: str) -> None:
    token, _ = await _issue(tokens, address, "register")
    other, _ = await _issue(tokens, f"x{address}")
    await _issue(tokens, address)
    assert await tokens.take(["register"], token, NOW) is not None
    assert await tokens.take([SIGN_IN], other, NOW) is not None


@pytest.mark.parametrize("by_code", [False, True])
async def test_T14_of_20_parallel_uses_exactly_one_wins(tokens: OneTimeTokens, address: str, by_code: bool) -> None:
    token, code = await _issue(tokens, address)
    if by_code:
        taken = await asyncio.gather(*(tokens.take_by_code([SIGN_IN], address, code, NOW) for _ in range(20)))
    else:
        taken = await asyncio.gather(*(tokens.take([SIGN_IN], token, NOW) for _ in range(20)))
    assert Counter(each is not None for each in taken) == {True: 1, False: 19}


async def test_T14_parallel_letters_leave_one_that_works(tokens: OneTimeTokens, address: str) -> None:
    issued = await asyncio.gather(*(_issue(tokens, address) for _ in range(10)))
    taken = [await tokens.take([SIGN_IN], token, NOW) for token, _ in issued]
    assert sum(each is not None for each in taken) == 1


async def test_T14_after_ten_wrong_codes_the_right_one_is_void_and_the_link_is_not(tokens: OneTimeTokens, address: str) -> None:
    token, code = await _issue(tokens, address)
    for nth in range(1, MAX_TRIES + 1):
        assert await tokens.take_by_code([SIGN_IN], address, _other(code, nth), NOW) is None
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW) is None
    assert await tokens.take([SIGN_IN], token, NOW) is not None


async def test_after_nine_wrong_codes_the_right_one_works(tokens: OneTimeTokens, address: str) -> None:
    _, code = await _issue(tokens, address)
    for nth in range(1, MAX_TRIES):
        assert await tokens.take_by_code([SIGN_IN], address, _other(code, nth), NOW) is None
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW) is not None


async def test_T14_of_100_parallel_guesses_ten_are_compared(
    tokens: OneTimeTokens, address: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = Counter[str]()
    hash_code = one_time_token._hash_code
    _, code = await _issue(tokens, address)

    def spy(key: bytes, purpose: str, email_key: str, guess: str) -> bytes:
        compared[guess] += 1
        return hash_code(key, purpose, email_key, guess)

    monkeypatch.setattr(one_time_token, "_hash_code", spy)
    taken = await asyncio.gather(*(tokens.take_by_code([SIGN_IN], address, _other(code, nth), NOW) for nth in range(1, 101)))
    assert taken == [None] * 100
    assert compared.total() == MAX_TRIES
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW) is None
    assert await database.fetchval("SELECT tries FROM one_time_token WHERE email_key = $1", address) == MAX_TRIES


async def test_T14_further_letters_bring_no_further_tries_until_the_last_is_over(tokens: OneTimeTokens, address: str) -> None:
    _, code = await _issue(tokens, address)
    for nth in range(MAX_TRIES):
        await tokens.take_by_code([SIGN_IN], address, _other(code, nth + 1), NOW)
    token, code = await _issue(tokens, address, now_ms=NOW + TTL_MS - 1)
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW + TTL_MS - 1) is None
    later = NOW + 2 * TTL_MS
    _, code = await _issue(tokens, f"x{address}")
    assert await tokens.take([SIGN_IN], token, NOW + TTL_MS) is not None, "the link still works"
    _, code = await _issue(tokens, address, now_ms=later)
    assert await tokens.take_by_code([SIGN_IN], address, code, later) is not None


async def test_a_code_is_for_its_own_purpose_and_address(tokens: OneTimeTokens, address: str) -> None:
    _, code = await _issue(tokens, address)
    await _issue(tokens, f"x{address}")
    assert await tokens.take_by_code(["register"], address, code, NOW) is None
    assert await tokens.take_by_code([SIGN_IN], f"y{address}", code, NOW) is None
    assert await tokens.take_by_code([], address, code, NOW) is None


async def test_a_link_is_for_its_own_purpose_and_not_used_up_by_another(tokens: OneTimeTokens, address: str) -> None:
    token, _ = await _issue(tokens, address)
    assert await tokens.take(["register"], token, NOW) is None
    assert await tokens.take([], token, NOW) is None
    assert await tokens.take([SIGN_IN], token, NOW) is not None


async def test_unknown_and_wrong_get_the_same_answer(tokens: OneTimeTokens, address: str) -> None:
    token, code = await _issue(tokens, address)
    for wrong in ("", "x" * 43, f"{token}x", token[:-1], "\ud800", "\0", "ü"):
        assert await tokens.take([SIGN_IN], wrong, NOW) is None
    for wrong in ("", f"{code} ", "\ud800", "\0", _other(code)):
        assert await tokens.take_by_code([SIGN_IN], address, wrong, NOW) is None
        assert await tokens.take_by_code([SIGN_IN], f"nobody-{address}", wrong, NOW) is None


async def test_neither_token_nor_code_is_stored_nor_can_codes_be_tried_without_the_key(
    tokens: OneTimeTokens, address: str, database: Database
) -> None:
    token, code = await tokens.issue(SIGN_IN, address, user_id=None, payload=None, now_ms=NOW)
    row = await database.fetchrow("SELECT t::text AS line, code_hash FROM one_time_token t WHERE email_key = $1", address)
    assert row is not None
    for secret in (token, f"({code}", f",{code},", token.encode().hex(), code.encode().hex()):
        assert secret not in row["line"]
    other_key = OneTimeTokens(database, ring(KEY[::-1]))
    assert await other_key.take_by_code([SIGN_IN], address, code, NOW) is None
    rotated = OneTimeTokens(database, ring(KEY, KEY[::-1]))
    assert await rotated.take_by_code([SIGN_IN], address, code, NOW) is not None, "a rotated key still verifies"


async def test_a_code_is_good_for_its_purpose_and_address_alone(tokens: OneTimeTokens, address: str, database: Database) -> None:
    _, code = await _issue(tokens, address)
    await _issue(tokens, address, "register")
    await _issue(tokens, f"x{address}")
    copied = "SELECT code_hash FROM one_time_token WHERE email_key = $1 AND purpose = $2"
    await database.execute(
        f"UPDATE one_time_token SET code_hash = ({copied}) WHERE email_key = ANY ($3)", address, SIGN_IN, [address, f"x{address}"]
    )
    assert await tokens.take_by_code(["register"], address, code, NOW) is None
    assert await tokens.take_by_code(BOTH, f"x{address}", code, NOW) is None
    assert await tokens.take_by_code([SIGN_IN], address, code, NOW) is not None


async def test_a_look_at_a_link_uses_nothing_up(tokens: OneTimeTokens, address: str) -> None:
    token, _ = await _issue(tokens, address)
    looked = await tokens.look(token, NOW)
    assert looked is not None
    assert (looked.purpose, looked.email_key) == (SIGN_IN, address)
    assert await tokens.look(token, NOW + TTL_MS) is None
    assert await tokens.look("unknown", NOW) is None
    assert await tokens.take([SIGN_IN], token, NOW) == looked
    assert await tokens.look(token, NOW) is None


async def test_what_is_about_a_user_is_voided_together(database: Database, tokens: OneTimeTokens, address: str) -> None:
    user = new_id(NOW)
    mine = [(await tokens.issue(purpose, address, user_id=user, payload=None, now_ms=NOW))[0] for purpose in BOTH]
    other, _ = await _issue(tokens, f"x{address}")
    await void(database, user)
    assert [await tokens.take(BOTH, token, NOW) for token in mine] == [None, None]
    assert await tokens.take(BOTH, other, NOW) is not None


async def test_only_what_is_over_is_purged(own_dsn: str) -> None:
    database = await Database.open(own_dsn)
    tokens = OneTimeTokens(database, ring(KEY))
    for nth in range(3):
        await _issue(tokens, f"ada{nth}@example.org", now_ms=NOW + nth)
    assert await tokens.purge(NOW + TTL_MS - 1) == 0
    assert await tokens.purge(NOW + TTL_MS + 1) == 2
    assert await database.fetchval("SELECT email_key FROM one_time_token") == "ada2@example.org"
    await database.close()
