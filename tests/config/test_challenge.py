"""Settings of the challenge: both keys or none, and URLs that secrets and scripts may go through."""

import pytest

from commonroom.config import load
from commonroom.config.check import origin_of
from commonroom.config.report import MASK, show
from commonroom.errors import ConfigError

CHALLENGE = "COMMONROOM_CHALLENGE__"
KEYS = {f"{CHALLENGE}SITE_KEY": "0x4A-public", f"{CHALLENGE}SECRET": "0x4A-hunter2"}
PUBLIC = {"COMMONROOM_PUBLIC_URL": "https://rooms.example"}


def _refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load({}, environ)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_it_is_off_by_default_and_turnstile_where_it_is_on() -> None:
    assert load({}, {}).settings.challenge.site_key == ""
    challenge = load({}, KEYS).settings.challenge
    assert challenge.verify_url == "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    assert origin_of(challenge.script_url) == "https://challenges.cloudflare.com"


@pytest.mark.parametrize(("given", "missing"), [("SITE_KEY", "secret"), ("SECRET", "site_key")])
def test_one_key_without_the_other_is_refused(given: str, missing: str) -> None:
    told = _refusal({f"{CHALLENGE}{given}": "0x4A-hunter2"})
    assert told == f"challenge.{missing} = '' (default): expected both challenge.site_key and challenge.secret, or neither"


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "http://verify.example/x", "ftp://verify.example/x", "https://", "https://a:b@verify.example/x", "//x/y",
        "https://verify.example/x#y", "https://verify.example:x/", "https://verify;script-src.example/", "https://verify,x/",
        "https://a'b/", "https://ver%20ify/", "https://verify example/x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["verify_url", "script_url"])
def test_a_url_that_no_secret_or_script_may_go_through_is_refused(name: str, url: str) -> None:
    assert _refusal({**KEYS, f"{CHALLENGE}{name.upper()}": url}).startswith(f"challenge.{name} = {url!r}")


@pytest.mark.parametrize(
    "url", ["https://hcaptcha.example:8443/1/api.js?render=explicit", "http://127.0.0.1:9/x", "https://[2606:4700::1]/x"]
)
def test_other_urls_are_taken(url: str) -> None:
    assert load({}, {**KEYS, f"{CHALLENGE}SCRIPT_URL": url}).settings.challenge.script_url == url


@pytest.mark.parametrize("hostname", ["rooms.example:8000", "https://rooms.example", "rooms.example/x", "*.rooms.example", "a b"])
def test_what_is_no_host_is_refused(hostname: str) -> None:
    assert _refusal({**KEYS, f"{CHALLENGE}HOSTNAMES": f"www.rooms.example,{hostname}"}).startswith(f"challenge.hostnames = {hostname!r}")


def test_a_server_of_the_world_has_to_say_whose_tokens_it_takes() -> None:
    world = {**KEYS, "COMMONROOM_HOST": "0.0.0.0"}
    assert "expected the page's host" in _refusal(world)
    assert load({}, {**world, **PUBLIC}).settings.challenge.hostnames == ()
    assert load({}, {**world, f"{CHALLENGE}HOSTNAMES": "rooms.example"}).settings.challenge.hostnames == ("rooms.example",)


def test_the_secret_is_shown_masked_and_may_come_from_a_mounted_file() -> None:
    assert {row.path: row.value for row in show(load({}, KEYS))}["challenge.secret"] == MASK
    assert "cannot read /nowhere" in _refusal({f"{CHALLENGE}SITE_KEY": "0x4A", f"{CHALLENGE}SECRET_FILE": "/nowhere"})


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Challenges.Example:443/a/b?c=d", "https://challenges.example"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000"),
        ("https://a b/x", None),
        ("https://a;b/x", None),
        ("https://'self'/x", None),
        ("data:text/javascript,1", None),
    ],
)
def test_an_origin_is_one_that_fits_a_policy(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin
