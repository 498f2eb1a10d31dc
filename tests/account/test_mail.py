"""Letters on their way: posting tells nothing, everything is bounded, and what is done without a server."""

import asyncio
from typing import Any

import pytest

from commonroom.account import mail
from commonroom.account.letter import Letter
from commonroom.account.mail import MAX_AT_ONCE, MAX_QUEUED
from commonroom.codes import ErrorCode
from commonroom.errors import MailNotConfigured, row_of
from commonroom.log import bound
from tests.account.mailing import ADA, CODE, LINK, Lines, mailer_of, refusal
from tests.support.mail import MailServer

pytestmark = pytest.mark.usefixtures("lines")


async def test_T14_posting_waits_for_nothing_and_tells_nothing(letter: Letter, lines: Lines) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.extend(["stall", "550 nobody"])
        mailer.post(letter)  # not even a turn of the loop
        assert (mailer.stats.posted, server.attempts) == (1, 0)
        await server.attempted(1)
        with bound(request_id="r-17"):
            mailer.post(letter)
        mailer.post(letter)
        await server.attempted(3)
        server.resume.set()
        await server.received(2)
    assert (mailer.stats.sent, mailer.stats.failed) == (2, 1)
    (failed,) = [line for line in lines() if line["event"] == "mail_failed"]
    assert failed["request_id"] == "r-17"
    assert failed["letter"]


async def test_a_log_line_names_the_request_of_its_own_letter(letter: Letter, lines: Lines) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.extend(["stall"] * MAX_AT_ONCE + ["550 no"] * 2)
        for nth in range(MAX_AT_ONCE):
            with bound(request_id=f"r-{nth}"):
                mailer.post(letter)
        await server.attempted(MAX_AT_ONCE)
        mailer.post(letter)
        with bound(request_id="r-own"):
            mailer.post(letter)
        server.resume.set()
    assert sorted(line.get("request_id", "") for line in lines() if line["event"] == "mail_failed") == ["", "r-own"]


async def test_few_letters_are_sent_at_once_and_all_arrive(letter: Letter) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.extend(["stall"] * MAX_AT_ONCE)
        for _ in range(30):
            mailer.post(letter)
        await server.attempted(MAX_AT_ONCE)
        assert mailer.stats.queued == 30 - MAX_AT_ONCE
        server.resume.set()
        await server.received(30)
        assert server.most_busy == MAX_AT_ONCE


async def test_over_a_full_queue_letters_are_dropped_and_counted(letter: Letter, lines: Lines) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.extend(["stall"] * MAX_AT_ONCE)
        for _ in range(MAX_AT_ONCE):
            mailer.post(letter)
        await server.attempted(MAX_AT_ONCE)
        for _ in range(MAX_QUEUED + 2):
            mailer.post(letter)
        assert (mailer.stats.dropped, mailer.stats.queued) == (2, MAX_QUEUED)
        assert "over 1000 letters wait" in await refusal(mailer, letter)
        mailer._queue.clear()
        mailer.stats.queued = 0
        server.resume.set()
    assert len([line for line in lines() if line["event"] == "mail_dropped"]) == 2


async def test_closing_sends_what_waits(letter: Letter) -> None:
    async with MailServer() as server:
        async with mailer_of(server.url) as mailer:
            for _ in range(10):
                mailer.post(letter)
        assert len(server.letters) == 10


async def test_closing_gives_up_on_a_server_that_stalls(letter: Letter, lines: Lines) -> None:
    async with MailServer() as server:
        async with mailer_of(server.url, timeout_s=0.2) as mailer:
            server.faults.extend(["stall"] * 50)
            for _ in range(20):
                mailer.post(letter)
        assert mailer.stats.failed == 20
        server.resume.set()
    assert [line for line in lines() if line["event"] == "mail_given_up"]


async def test_a_caller_that_leaves_does_not_recall_its_letter(letter: Letter, lines: Lines) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        server.faults.append("stall")
        caller = asyncio.create_task(mailer.send(letter))
        await server.attempted(1)
        caller.cancel()
        await asyncio.wait([caller])
        server.resume.set()
        await server.received(1)
        await mailer.send(letter)
    assert (mailer.stats.sent, mailer.stats.failed) == (2, 0)
    assert "mail_task_failed" not in {line["event"] for line in lines()}


async def test_an_error_nobody_thought_of_is_counted_and_the_others_go_on(
    letter: Letter, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MailServer() as server, mailer_of(server.url) as mailer:
        assert mailer._client is not None
        deliver = mailer._client.deliver
        broken = [True]

        async def crash(*arguments: Any) -> None:
            if broken:
                broken.clear()
                raise KeyError(ADA)
            await deliver(*arguments)

        monkeypatch.setattr(mailer._client, "deliver", crash)
        monkeypatch.setattr(mail, "MAX_AT_ONCE", 1)
        mailer.post(letter)
        mailer.post(letter)
        await server.received(1)
    assert (mailer.stats.failed, mailer.stats.sent) == (1, 1)
    (failed,) = [line for line in lines() if line["event"] == "mail_task_failed"]
    assert failed["error"] == "KeyError"


# -- without a server ------------------------------------------------------------------


async def test_development_prints_link_and_code_on_the_console_once_and_never_in_the_log(
    letter: Letter, capsys: pytest.CaptureFixture[str]
) -> None:
    async with mailer_of("", production=False) as mailer:
        mailer.require()
        mailer.post(letter)
        posted = capsys.readouterr()
        await mailer.send(letter)
        sent = capsys.readouterr()
    for captured in (posted, sent):
        assert captured.err == ""
        assert captured.out.split("\n").count(LINK) == 1
        assert captured.out.split("\n").count(CODE) == 1
        assert ADA in captured.out
    assert mailer.stats.sent == 2


async def test_production_without_a_server_says_so_before_anything_else(letter: Letter, capsys: pytest.CaptureFixture[str]) -> None:
    async with mailer_of("", production=True) as mailer:
        for ask in (mailer.require, lambda: mailer.post(letter)):
            with pytest.raises(MailNotConfigured, match="mail is not configured"):
                ask()
        with pytest.raises(MailNotConfigured) as caught:
            await mailer.send(letter)
    row = row_of(caught.value)
    assert (row.code, row.http.value, row.retryable) == (ErrorCode.MAIL_NOT_CONFIGURED, 503, False)
    assert capsys.readouterr().out == ""
    assert mailer.stats.posted == 0
