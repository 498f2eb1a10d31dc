"""Mail settings: which are taken, and that no password is told."""

import pytest

from commonroom.config import load
from commonroom.config.mail import SmtpServer, sender_of, smtp_server_of
from commonroom.config.report import MASK, show
from commonroom.errors import ConfigError

SENDER = {"COMMONROOM_MAIL__SENDER": "rooms@example.org"}
PRODUCTION = {"COMMONROOM_ENV": "production"}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost", SmtpServer("localhost", 587, False, None, "")),
        ("smtps://mail.example/", SmtpServer("mail.example", 465, True, None, "")),
        ("smtp://me%40x:p%2Fw%3A@[::1]:25", SmtpServer("::1", 25, False, "me@x", "p/w:")),
    ],
)
def test_a_server_is_read_from_its_url(url: str, server: SmtpServer) -> None:
    assert smtp_server_of(url) == server
    settings = load({}, {"COMMONROOM_SMTP_URL": url, **SENDER}).settings
    assert settings.mail.smtp_url == url


@pytest.mark.parametrize(
    "url",
    [
        "mail.example", "http://me:hunter2@mail.example", "smtp://", "smtp://me:hunter2@", "smtp://me@mail.example", "smtp://:hunter2@mail.example",
        "smtp://me:hunter2/x@mail.example", "smtp://me:hunter2@mail.example/box", "smtp://me:hunter2@mail.example?tls=1",
        "smtp://me:hunter2@mail.example:99999", "smtp://me:hunter2@mail.example:0", "smtp://me:hunter2@mail.example:x",
        "smtp://me:hunter2%0d%0a@mail.example", "smtp://me:hunter2@ma il.example", "smtp://me:hunter2@[::1",
    ],
)  # fmt: skip
def test_another_form_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, {"COMMONROOM_SMTP_URL": url, **SENDER})
    assert str(caught.value).startswith("mail.smtp_url = '(secret)' (environment COMMONROOM_SMTP_URL)")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("rooms@example.org", "", "rooms@example.org"),
        ("<rooms@example.org>", "", "rooms@example.org"),
        ("Common Rööm <no-reply@rooms.example>", "Common Rööm", "no-reply@rooms.example"),
        ('"Rooms, Inc." <rooms@example.org>', "Rooms, Inc.", "rooms@example.org"),
    ],
)
def test_a_sender_is_a_name_and_an_address(text: str, name: str, address: str) -> None:
    sender = sender_of(text)
    assert (sender.display_name, sender.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "rooms", "rooms@", "@example.org", "a@example.org, b@example.org", "Rooms", "Rooms <>", "Rooms <rööms@example.org>",
        "a b@example.org", "Rooms\n <rooms@example.org>", "Rooms <rooms@example.org>\r\nBcc: x@y",
        "=?utf-8?q?a=0D=0ABcc=3A_b=40c?= <rooms@example.org>",
    ],
)  # fmt: skip
def test_what_is_no_sender_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^mail\.sender = "):
        load({}, {"COMMONROOM_MAIL__SENDER": text})


def test_a_server_without_a_sender_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^mail\.sender = '' \(default\): expected an address, as mail\.smtp_url is set"):
        load({}, {"COMMONROOM_SMTP_URL": "smtp://localhost"})


@pytest.mark.parametrize(
    ("url", "environ", "taken"),
    [
        ("smtp://mail.example", PRODUCTION, False),
        ("smtp://mail.example", {"COMMONROOM_PUBLIC_URL": "https://rooms.example"}, False),
        ("smtp://mail.example", {}, True),
        ("smtp://localhost", PRODUCTION, True),
        ("smtp://127.0.0.1:25", PRODUCTION, True),
        ("smtp://[::1]:25", PRODUCTION, True),
        ("smtps://mail.example", PRODUCTION, True),
    ],
)
def test_production_sends_in_clear_to_its_own_machine_only(url: str, environ: dict[str, str], taken: bool) -> None:
    every = {"COMMONROOM_SMTP_URL": url, "COMMONROOM_MAIL__STARTTLS": "never", **SENDER, **environ}
    if taken:
        assert load({}, every).settings.mail.starttls == "never"
        return
    with pytest.raises(ConfigError, match=r"^mail\.starttls = 'never'"):
        load({}, every)


def test_the_url_is_shown_masked_and_may_come_from_a_mounted_file() -> None:
    loaded = load({}, {"COMMONROOM_SMTP_URL": "smtp://me:hunter2@localhost", **SENDER})
    assert {row.path: row.value for row in show(loaded)}["mail.smtp_url"] == MASK
    with pytest.raises(ConfigError, match="cannot read /nowhere"):
        load({}, {"COMMONROOM_SMTP_URL_FILE": "/nowhere", **SENDER})
