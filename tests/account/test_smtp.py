"""One letter to a real SMTP server, well and ill behaved; no secret in any log."""

import socket
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from commonroom.account.letter import Letter
from commonroom.account.smtp import Undelivered, _compose
from commonroom.config.mail import sender_of
from commonroom.errors import Invalid
from tests.account.mailing import ADA, SENDER, Lines, mailer_of, refusal
from tests.support.mail import Certificate, MailServer, certificate

HIDDEN = "=?utf-8?q?a=0D=0ABcc=3A_eve=40example=2Eorg?="
pytestmark = pytest.mark.usefixtures("lines")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("mail"))


async def test_a_letter_arrives_whole_and_well_formed(letter: Letter) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        await mailer.send(letter)
        (arrived,) = server.letters
    message = arrived.message
    assert (arrived.sender, arrived.recipients) == ("rooms@example.org", [ADA])
    assert (str(message["From"]), str(message["To"]), message["Subject"]) == (SENDER, ADA, "Sign in to Commonroom")
    assert arrived.text == letter.text
    assert message.get_content_type() == "text/plain"
    assert message["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert message["Message-ID"].endswith("@example.org>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert not message.defects
    assert (mailer.stats.posted, mailer.stats.sent, mailer.stats.failed) == (1, 1, 0)


async def test_an_address_beyond_ascii_arrives_where_the_server_takes_it() -> None:
    to = Letter("jörg@bücher.example", "Grüße", "häh\n" + "ü" * 2000 + "\n.\n..\nend\n")
    async with MailServer() as server, mailer_of(server.url) as mailer:
        await mailer.send(to)
        assert server.letters[0].recipients == ["jörg@xn--bcher-kva.example"]
        assert server.letters[0].message["Subject"] == "Grüße"
        assert server.letters[0].text == to.text
    async with MailServer(utf8=False) as server, mailer_of(server.url) as mailer:
        await mailer.send(Letter("jorg@bücher.example", "Grüße", to.text))
        assert server.letters[0].text == to.text
        assert "SMTPNotSupported" in await refusal(mailer, to)


async def test_a_long_subject_or_one_beyond_ascii_forges_no_header() -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        for subject in ("x" * 900, "ü " * 400, "a: b, <c@d>", "=", "= ?utf-8?q?a?="):
            await mailer.send(Letter(ADA, subject, "Bcc: eve@example.org\n\nBcc: eve@example.org\n"))
    for arrived in server.letters:
        assert arrived.recipients == [ADA]
        assert arrived.message["Bcc"] is None
        assert len(arrived.message.keys()) == len(set(arrived.message.keys())) <= 9


@pytest.mark.parametrize(
    ("to", "subject"),
    [(f"{HIDDEN}@example.org", "hello"), (ADA, HIDDEN), (ADA, f"hello {HIDDEN}")],
)
async def test_line_breaks_hidden_in_an_encoded_word_do_not_get_past_any_step(to: str, subject: str) -> None:
    with pytest.raises(Invalid):
        Letter(to, subject, "")
    letter = Letter(ADA, "hello", "text")
    msgspec.structs.force_setattr(letter, "subject", subject)
    with suppress(Undelivered):  # where the `email` package has the hole
        written = _compose(letter, sender_of(SENDER), to, "id", 0).as_bytes()
        assert b"\nBcc:" not in written


# -- encryption and login --------------------------------------------------------------


@pytest.mark.parametrize("starttls", ["auto", "always"])
async def test_starttls_is_used_where_it_is_offered(letter: Letter, tls: Certificate, starttls: str) -> None:
    async with MailServer(tls=tls) as server, mailer_of(server.url, starttls, tls=tls.client) as mailer:
        await mailer.send(letter)
        assert server.letters[0].tls


async def test_tls_from_the_first_byte(letter: Letter, tls: Certificate) -> None:
    async with MailServer(tls=tls, implicit=True) as server, mailer_of(server.url, tls=tls.client) as mailer:
        await mailer.send(letter)
        assert server.letters[0].tls


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("other", [False, True])
async def test_a_certificate_of_a_stranger_or_another_name_gets_no_letter(
    letter: Letter, tls: Certificate, tmp_path: Path, implicit: bool, other: bool
) -> None:
    named = certificate(tmp_path, name="127.0.0.2")
    served, trusted = (named, named.client) if other else (tls, None)
    async with MailServer(tls=served, implicit=implicit) as server, mailer_of(server.url, tls=trusted) as mailer:
        assert "CERTIFICATE_VERIFY_FAILED" in await refusal(mailer, letter)
        assert (server.attempts, mailer.stats.retries) == (0, 0)


async def test_always_sends_nothing_in_clear(letter: Letter) -> None:
    async with MailServer() as server, mailer_of(server.url, "always") as mailer:
        assert "cannot take the letter" in await refusal(mailer, letter)
        assert server.attempts == 0


async def test_a_login_goes_through_and_a_wrong_one_is_told_without_the_password(letter: Letter, tls: Certificate) -> None:
    async with MailServer(tls=tls, login=("rooms", "hunter2")) as server:
        async with mailer_of(server.url, tls=tls.client) as mailer:
            await mailer.send(letter)
            assert server.letters[0].login == "rooms"
        async with mailer_of(server.url.replace("hunter2", "hunter22"), tls=tls.client) as mailer:
            assert await refusal(mailer, letter) == "the mail server refused the letter with 535"


@pytest.mark.parametrize(
    ("choice", "url", "demanded"),
    [
        ("auto", "smtp://mail.example", None),
        ("auto", "smtp://rooms:hunter2@mail.example", True),
        ("auto", "smtp://rooms:hunter2@localhost", None),
        ("always", "smtp://localhost", True),
        ("never", "smtp://rooms:hunter2@mail.example", False),
        ("always", "smtps://mail.example", False),
    ],
)
async def test_a_password_goes_to_another_machine_encrypted_only(choice: str, url: str, demanded: bool | None) -> None:
    async with mailer_of(url, choice) as mailer:
        assert mailer._client is not None
        assert mailer._client._client()._start_tls_on_connect is demanded


# -- servers that fail -----------------------------------------------------------------


@pytest.mark.parametrize("fault", ["451 later", "421 going down", "drop"])
async def test_a_passing_failure_costs_a_second_attempt(letter: Letter, fault: str) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.append(fault)
        await mailer.send(letter)
        assert (server.attempts, len(server.letters), mailer.stats.retries) == (2, 1, 1)


@pytest.mark.parametrize(
    ("faults", "told", "attempts"),
    [
        (["451 later"] * 2, "the mail server refused the letter with 451", 2),
        (["drop"] * 2, "the mail server does not answer", 2),
        ([f"550 no {ADA} here"], "the mail server refused the letter with 550", 1),
    ],
)
async def test_a_lasting_failure_is_told_without_the_address(
    letter: Letter, faults: list[str], told: str, attempts: int, lines: Lines
) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.extend(faults)
        assert await refusal(mailer, letter) == told
        assert (server.attempts, mailer.stats.failed, mailer.stats.sent) == (attempts, 1, 0)
        await mailer.send(letter)
    (failed,) = [line for line in lines() if line["event"] == "mail_failed"]
    assert failed["reason"] == told


async def test_nobody_there_is_unavailable(letter: Letter) -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        async with mailer_of(f"smtp://127.0.0.1:{bound_only.getsockname()[1]}") as mailer:
            assert await refusal(mailer, letter) == "the mail server does not answer"
            assert mailer.stats.retries == 1


async def test_a_server_that_stalls_costs_its_time_and_no_more(letter: Letter) -> None:
    async with MailServer() as server, mailer_of(server.url, timeout_s=0.2) as mailer:
        server.faults.extend(["stall"] * 2)
        assert await refusal(mailer, letter) == "the mail server does not answer"
        server.resume.set()


async def test_a_letter_that_was_taken_is_not_sent_again_for_want_of_a_goodbye(letter: Letter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonroom.account.smtp.QUIT_TIMEOUT_S", 0.05)
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.append("no goodbye")
        await mailer.send(letter)
        assert (server.attempts, mailer.stats.retries) == (1, 0)
