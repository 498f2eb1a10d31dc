"""Passwords: argon2id in threads, bounded, the same cost for nobody's."""

import asyncio
from collections.abc import Iterator

import pytest

from commonroom.account import password
from commonroom.account.password import MAX_BYTES, Passwords
from commonroom.errors import Invalid, Unavailable

GOOD = "correct horse battery"


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords()
    yield passwords
    passwords.close()


async def test_T17_what_is_stored_is_argon2id_with_a_salt_of_its_own(passwords: Passwords) -> None:
    first, second = await passwords.hash(GOOD), await passwords.hash(GOOD)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert GOOD not in first
    for stored in (first, second):
        assert await passwords.verify(stored, GOOD)
        assert not await passwords.verify(stored, GOOD + " ")
        assert not passwords.is_outdated(stored)


async def test_T17_every_byte_counts_up_to_the_limit(passwords: Passwords) -> None:
    stored = await passwords.hash("a" * (MAX_BYTES - 1) + "1")
    assert not await passwords.verify(stored, "a" * (MAX_BYTES - 1) + "2")
    assert await passwords.verify(await passwords.hash("nul\0inside"), "nul\0inside")
    assert not await passwords.verify(await passwords.hash("nul\0inside"), "nul\0outside")


@pytest.mark.parametrize("bad", ["", "1234567", "x" * (MAX_BYTES + 1), "é" * 600, "x" * 1_000_000, "\ud800" * 8])
async def test_what_cannot_be_a_password_is_refused(passwords: Passwords, bad: str) -> None:
    with pytest.raises(Invalid):
        await passwords.hash(bad)


async def test_it_is_the_same_however_it_was_typed(passwords: Passwords) -> None:
    assert await passwords.verify(await passwords.hash("pässwörter"), "pa\u0308sswo\u0308rter")


async def test_nobodys_password_is_hashed_too_and_never_right(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    matches = passwords._matches

    def spy(stored: str, text: str) -> bool:
        hashed.append(stored)
        return matches(stored, text)

    monkeypatch.setattr(passwords, "_matches", spy)
    assert not await passwords.verify(None, GOOD)
    assert len(hashed) == 1
    assert hashed[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not await passwords.verify("no hash at all", GOOD)


async def test_more_than_so_many_at_once_are_told_to_come_back(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password, "MAX_WAITING", 3)
    results = await asyncio.gather(*(passwords.verify(None, GOOD) for _ in range(10)), return_exceptions=True)
    assert [type(one) for one in results].count(Unavailable) == 7
    assert not await passwords.verify(None, GOOD), "later it is served again"
