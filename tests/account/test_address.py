"""Mail addresses: what is taken, and which are one."""

import unicodedata
from email.headerregistry import Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonroom.account.address import MAX_BYTES, email_key, parse_address
from commonroom.errors import Invalid

LONG = ".".join(["x" * 63] * 3)

ATOMS = st.text("abcXYZ019!#$%&'*+-/=?^_`{|}~éßςΣİı", min_size=1, max_size=12)
LOCALS = st.lists(ATOMS, min_size=1, max_size=3).map(".".join).filter(lambda local: "=?" not in local)
LABELS = st.from_regex(r"\A[a-zA-Z]([a-z0-9]{0,10}[a-z0-9])?\Z") | st.sampled_from(["bücher", "Straße", "例え", "xn--bcher-kva"])
ADDRESSES = st.builds(lambda local, labels: f"{local}@{'.'.join(labels)}", LOCALS, st.lists(LABELS, min_size=1, max_size=4))


def _key(text: str) -> str | None:
    try:
        return email_key(text)
    except Invalid:
        return None


@pytest.mark.parametrize(
    ("text", "kept", "key"),
    [
        ("ada@example.org", "ada@example.org", "ada@example.org"),
        (" Ada.L+rooms@Example.ORG\n", "Ada.L+rooms@example.org", "ada.l+rooms@example.org"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example", "jörg@xn--bcher-kva.example"),
        ("jo\u0308rg@BÜCHER.example", "jörg@xn--bcher-kva.example", "jörg@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example", "a@xn--strae-oqa.example"),
        ("a@ｅxample.org", "a@example.org", "a@example.org"),
        ("a@example。org", "a@example.org", "a@example.org"),
        ("Weiß@example.org", "Weiß@example.org", "weiß@example.org"),
        ("\u212a@example.org", "K@example.org", "k@example.org"),
        ("a@localhost", "a@localhost", "a@localhost"),
        (f"{'x' * 64}@b.c", f"{'x' * 64}@b.c", f"{'x' * 64}@b.c"),
        (f"{'x' * 50}@{LONG}.{'x' * 11}", f"{'x' * 50}@{LONG}.{'x' * 11}", f"{'x' * 50}@{LONG}.{'x' * 11}"),
    ],
)
def test_an_address_has_one_form_and_a_key(text: str, kept: str, key: str) -> None:
    assert parse_address(text) == kept
    assert email_key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "@", "ada@", "@example.org", "a@b@c", "a b@example.org", '"a b"@example.org', "a..b@example.org", ".a@example.org",
        "a.@example.org", "a@.example.org", "a@example..org", "a@example.org.", "a@exam ple.org", "a@exam_ple.org", "a@-example.org",
        "a@[127.0.0.1]", "a@example.org>", "<a@example.org", "Ada <a@example.org>", "a@example.org,b@example.org", "a;b@example.org",
        "a\\@example.org", "a\r\nBcc: x@example.org", "a@example.org\r\nBcc: x", "a\0@example.org", "a@example\0.org", "a\x7f@example.org",
        "a\u202e@example.org", "a\u200b@example.org", "a@example\u202e.org", "\ud800@example.org", "a@\ud800.org", "a@xn--zz.org",
        "=?utf-8?q?a=0D=0ABcc=3A_eve?=@example.org", "a=?x@example.org",
        "ａda@example.org", "ﬁ@example.org", "①@example.org", f"{'x' * 65}@b.c", f"{'é' * 33}@b.c", f"a@{'x' * 64}.org",
        f"{'x' * 50}@{LONG}.{'x' * 12}", f"a@{'x.' * 600}org", "a" * 100_000, "@" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_repeated(text: str) -> None:
    for function in (parse_address, email_key):
        with pytest.raises(Invalid) as caught:
            function(text)
        assert str(caught.value) == "not a mail address"


def test_dots_and_tags_belong_to_the_address() -> None:
    assert len({email_key(f"{local}@example.org") for local in ("ada", "a.da", "ada+x", "ada-x", "weiss", "weiß", "i", "ı", "ada1")}) == 9


@settings(deadline=None)
@given(ADDRESSES)
def test_the_kept_form_and_the_key_are_fixed_points(text: str) -> None:
    kept = parse_address(text)
    assert parse_address(kept) == kept
    assert email_key(kept) == email_key(text)
    key = email_key(text)
    assert parse_address(key) == key
    assert email_key(key) == key


@settings(deadline=None)
@given(ADDRESSES)
def test_case_and_composition_make_no_difference(text: str) -> None:
    local, _, domain = text.partition("@")
    assert email_key(f"{local}@{domain.upper() if domain.isascii() else domain}") == email_key(text)
    assert email_key(unicodedata.normalize("NFD", text)) == email_key(text)
    if local.isascii():
        assert email_key(f"{local.swapcase()}@{domain}") == email_key(text)


@settings(deadline=None)
@given(ADDRESSES, ADDRESSES)
def test_addresses_of_one_key_differ_in_case_at_most(one: str, other: str) -> None:
    if email_key(one) == email_key(other):
        assert parse_address(one).casefold() == parse_address(other).casefold()


@settings(deadline=None)
@given(st.text() | st.text('a@.\r\n\0 <>"ß,;Ａ[]', max_size=30))
def test_whatever_is_taken_is_safe_in_a_header_and_on_a_command_line(text: str) -> None:
    if _key(text) is None:
        return
    kept = parse_address(text)
    local, _, domain = kept.rpartition("@")
    assert "=?" not in kept
    assert kept.isprintable()
    assert kept.count("@") == 1
    assert not set(kept) & set(' <>",;:\\()[]')
    assert domain.isascii()
    assert len(kept.encode()) <= MAX_BYTES
    assert Address(username=local, domain=domain).addr_spec == kept


def test_no_other_script_has_the_key_of_a_plain_address() -> None:
    """The trick by which other sites sent reset letters to strangers: `ı`, `ſ`, full-width letters and ligatures that fold to ASCII."""
    folds = (str.lower, str.upper, str.casefold, lambda char: unicodedata.normalize("NFKC", char))
    alike = [char for char in map(chr, range(0x80, 0x110000)) if any(fold(char).isascii() for fold in folds)]
    assert len(alike) > 100
    for char in alike:
        key = _key(f"{char}@example.org")
        assert key is None or not key.isascii() or parse_address(f"{char}@example.org").isascii()
