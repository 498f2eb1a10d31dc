"""Names: what a username may be, which are the same, and how names are searched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonroom.account.name import RESERVED, folded, username_key
from commonroom.errors import Invalid


@pytest.mark.parametrize("name", ["ada", "ada_l", "ada.l", "a1b", "x" * 32, "z99"])
def test_good_usernames_have_a_key(name: str) -> None:
    assert username_key(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "ab",
        "x" * 33,
        "1ada",
        "_ada",
        "ada_",
        "ada.",
        "a..b",
        "a__b",
        "a._b",
        "Ada",
        "ädä",
        "аda",
        "ada l",
        "ada\n",
        "ada\u200bl",
        "ａda",
        "a-b",
    ],
)
def test_others_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        username_key(name)


@pytest.mark.parametrize("name", ["admin", "adm1n", "a.d.m.i.n", "adrnin", "supp0rt", "moderator", "root", "commonroorn", "null", "guest"])
def test_what_would_be_taken_for_us_is_reserved_in_all_its_spellings(name: str) -> None:
    with pytest.raises(Invalid, match="reserved"):
        username_key(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("alice", "a1ice"), ("alice", "allce"), ("bob", "b0b"), ("modern", "modem"), ("ada_l", "adal"), ("ada.l", "ada_l"), ("wave", "vvave")],
)
def test_names_that_look_alike_are_one(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


def test_names_that_differ_stay_apart() -> None:
    names = ["ada", "adam", "bea", "carl", "dora", "emil", "fritz", "greta", "hugo"]
    assert len({username_key(name) for name in names}) == len(names)
    assert "admin" in {"admin"} | RESERVED


@pytest.mark.parametrize(
    ("typed", "found"),
    [("Éva", "eva"), ("ÉVA", "eva"), ("Straße", "strasse"), ("  Ada   L. ", "ada l."), ("Ａda", "ada"), ("ŁÓDŹ", "łodz")],
)
def test_names_are_searched_without_case_and_accents(typed: str, found: str) -> None:
    assert folded(typed) == found


@given(st.text(max_size=80))
def test_folding_again_changes_nothing(name: str) -> None:
    assert folded(folded(name)) == folded(name)
