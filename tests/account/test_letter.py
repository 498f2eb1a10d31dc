"""The texts: a link and a code each on a line of its own, and what nobody should find in them."""

import re
from collections.abc import Callable

import pytest

from commonroom.account import letter
from commonroom.account.letter import Letter, link_to
from commonroom.errors import Invalid

TOKEN = "AbC-_" * 8
LINK = link_to("https://rooms.example/", "sign-in", TOKEN)
WITH_CODE = [letter.sign_in, letter.confirm_registration, letter.reset_password, letter.confirm_address]
NOTICES = [
    letter.account_exists("ada@example.org", "https://rooms.example/login"),
    letter.password_changed("ada@example.org", "https://rooms.example/login"),
    letter.address_changed("ada@example.org"),
]


def test_T14_the_token_stands_in_the_fragment_which_no_server_sees() -> None:
    for public_url in ("https://rooms.example", "https://rooms.example/"):
        assert link_to(public_url, "reset", TOKEN) == f"https://rooms.example/login/link#reset={TOKEN}"


@pytest.mark.parametrize("write", WITH_CODE)
def test_link_and_code_stand_alone_in_their_lines_with_how_long_they_are_good(write: Callable[[str, str, str, int], Letter]) -> None:
    written = write("ada@example.org", LINK, "012345", 900_000)
    lines = written.text.split("\n")
    assert lines.count(LINK) == 1
    assert lines.count("012345") == 1
    assert "15 minutes" in written.text
    assert "If this was not you" in written.text
    assert re.findall(r"\d{6}", written.text.replace(LINK, "")) == ["012345"]


def test_every_letter_has_a_subject_of_its_own_and_short_lines_of_plain_text() -> None:
    written = [write("ada@example.org", LINK, "012345", 900_000) for write in WITH_CODE] + NOTICES
    assert len({each.subject for each in written}) == 7
    for each in written:
        assert each.text.isascii()
        assert each.text.endswith("\n")
        assert len(each.text) < 700
        assert all(len(line) < 140 for line in each.text.split("\n"))
        assert "If this was not you" in each.text


def test_a_letter_shows_nothing_of_itself() -> None:
    written = letter.sign_in("ada@example.org", LINK, "012345", 900_000)
    for shown in (repr(written), str(written), f"{[written]}"):
        assert not any(secret in shown for secret in (TOKEN, "012345", "ada"))


@pytest.mark.parametrize("to", ["", "ada", "ada@example.org\r\nBcc: eve@example.org", "Ada <ada@example.org>", "a@b,c@d"])
def test_a_letter_to_no_address_cannot_be_written(to: str) -> None:
    with pytest.raises(Invalid):
        Letter(to, "hello", "")


@pytest.mark.parametrize("subject", ["a\nBcc: eve@example.org", "a\rb", "a\0", "a\u2028b", "\ud800", "=?utf-8?q?a=0D=0Ab?="])
def test_a_subject_is_one_printable_line(subject: str) -> None:
    with pytest.raises(Invalid):
        Letter("ada@example.org", subject, "")
