"""Whatever the other server does costs a bounded time and size, and nobody else's (RELIABILITY S2)."""

import asyncio
import gzip
import ssl

import pytest

from commonroom.codes import ErrorCode
from commonroom.errors import row_of
from commonroom.outbound import AnswerRefused, NoAnswer, OutboundError
from commonroom.outbound.bounded import MAX_HEAD_BYTES, Bounds
from commonroom.outbound.guarded import AT_ONCE_EACH, BOUNDS
from tests.outbound.stage import HELLO, Answerer, Names, client, says, served
from tests.support.client import until

SOON_S = 0.5
IMPATIENT = Bounds(timeout_s=SOON_S, at_once=64)
HEAD = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(10_000_000))


async def _never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def _drips(head: bytes, drop: bytes) -> Answerer:
    """Never silent for long enough to be noticed by a timeout of reads."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(SOON_S / 50)

    return answer


def _endless(head: bytes, block: bytes) -> Answerer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(block)
            await writer.drain()

    return answer


SLOW: dict[str, Answerer] = {
    "never answers": _never,
    "a body byte at a time": _drips(HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "a chunk at a time": _drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a head byte at a time": _drips(HEAD + b"X-A: ", b"x"),
    "one information after the other": _drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
LARGE: dict[str, Answerer] = {
    "endless": _endless(HEAD + b"\r\n", b"x" * 65536),
    "endless chunks": _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "a gigabyte announced": _drips(HEAD + b"Content-Length: 1000000000\r\n\r\n", b""),
    "a length beyond all numbers": _drips(HEAD + b"Content-Length: 9999999999999999999\r\n\r\n", b""),
    "one byte too many": says(HEAD, b"Content-Length: 1048577\r\n\r\n", b"x" * 1048577),
}
ODD: dict[str, Answerer] = {
    "compressed": says(HEAD, b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB),
    "compressed with something else": says(HEAD, b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"),
    "compressed twice": says(HEAD, b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
    "a long header": says(HEAD, b"X-A: " + b"x" * MAX_HEAD_BYTES, b"\r\nContent-Length: 0\r\n\r\n"),
    "many headers": says(HEAD, *(b"X-%d: x\r\n" % number for number in range(4000)), b"Content-Length: 0\r\n\r\n"),
}
BROKEN: dict[str, Answerer] = {
    "a head without end": _endless(HEAD, b"X-A: x\r\n" * 8192),
    "a header line without end": _endless(HEAD + b"X-A: ", b"x" * 65536),
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "half a body": says(HEAD, b"Content-Length: 100\r\n\r\nx"),
    "nothing": says(b""),
    "a length that is none": says(HEAD, b"Content-Length: +5\r\n\r\nhello"),
    "a length of 5,000 digits": says(HEAD, b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello"),
    "two lengths": says(HEAD, b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    "a chunk size that is none": says(HEAD, b"Transfer-Encoding: chunked\r\n\r\n\x0bx\r\n"),
}


async def _failure(answer: Answerer, tls: ssl.SSLContext, bounds: Bounds = BOUNDS) -> OutboundError:
    async with served(answer) as target, client(None, target, tls=tls, bounds=bounds) as guarded:
        with pytest.raises(OutboundError) as caught:
            await guarded.fetch("GET", target.url)
        assert row_of(caught.value).code is ErrorCode.RETRY
        assert str(target.port) not in caught.value.message
        return caught.value


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
async def test_S2_who_takes_too_long_is_given_up(answer: Answerer, tls: ssl.SSLContext) -> None:
    assert "no whole answer" in (await _failure(answer, tls, IMPATIENT)).reason


@pytest.mark.parametrize("answer", LARGE.values(), ids=LARGE.keys())
async def test_S2_what_is_too_large_is_given_up_at_once(answer: Answerer, tls: ssl.SSLContext) -> None:
    error = await _failure(answer, tls)
    assert (type(error), error.reason.partition(" over ")[2]) == (NoAnswer, "1048576 bytes")


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD.keys())
async def test_S2_a_compressed_answer_or_a_long_head_is_refused_unread(answer: Answerer, tls: ssl.SSLContext) -> None:
    assert type(await _failure(answer, tls)) is AnswerRefused


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_S2_what_is_no_answer_is_none(answer: Answerer, tls: ssl.SSLContext) -> None:
    assert type(await _failure(answer, tls)) is NoAnswer


async def test_S2_the_whole_time_is_ten_seconds_for_all_hops_together(tls: ssl.SSLContext) -> None:
    assert BOUNDS.timeout_s == 10.0

    async def slowly_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(SOON_S / 4)
        writer.write(b"HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")

    async with served(slowly_away) as target, client(None, target, tls=tls, bounds=IMPATIENT) as guarded:
        with pytest.raises(NoAnswer, match="no whole answer"):
            await guarded.fetch("GET", target.url, redirects=100)
        assert target.connections < 100


async def test_S2_the_look_up_counts_as_well(tls: ssl.SSLContext) -> None:
    class Deaf(Names):
        async def __call__(self, host: str, port: int) -> list[str]:
            await asyncio.Event().wait()
            raise AssertionError

    async with client(Deaf(), tls=tls, bounds=IMPATIENT) as guarded:
        with pytest.raises(NoAnswer, match="no whole answer"):
            await guarded.fetch("GET", "http://deaf.example/")


async def test_S2_a_slow_target_has_few_places_and_leaves_the_others_theirs(tls: ssl.SSLContext) -> None:
    """Also under many names: a machine is counted, not what it is called."""
    names = Names(**{f"name{number}_example": [["127.0.0.1"]] for number in range(40)}, other_example=[["127.0.0.2"]])
    bounds = Bounds(timeout_s=30.0, at_once=AT_ONCE_EACH + 1)
    async with served(_never) as slow, served(host="127.0.0.2") as quick, client(names, slow, quick, tls=tls, bounds=bounds) as guarded:
        async with asyncio.TaskGroup() as tasks:
            stuck = [tasks.create_task(guarded.fetch("GET", f"http://name{number}.example:{slow.port}/")) for number in range(40)]
            await until(lambda: slow.connections == AT_ONCE_EACH, "all places of the slow one")
            answers = [await guarded.fetch("GET", f"http://other.example:{quick.port}/") for _ in range(10)]
            assert {answer.body for answer in answers} == {b"hello"}
            assert slow.connections == AT_ONCE_EACH
            for task in stuck:
                task.cancel()
        assert guarded._places._semaphores == {}


async def test_an_answer_may_have_as_many_bytes_as_the_limit(tls: ssl.SSLContext) -> None:
    whole = says(HEAD, b"Content-Length: 1048576\r\n\r\n", b"x" * 1048576)
    async with served(whole) as target, client(None, target, tls=tls) as guarded:
        assert len((await guarded.fetch("GET", target.url)).body) == 1048576


@pytest.mark.parametrize("status", [200, 204, 404, 500, 503])
async def test_any_status_is_an_answer(status: int, tls: ssl.SSLContext) -> None:
    async with served(says(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)) as target, client(None, target, tls=tls) as guarded:
        assert (await guarded.fetch("GET", target.url)).status == status


async def test_no_connection_is_kept_and_no_proxy_of_the_environment_asked(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    async def again_and_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(HELLO)

    async with served(again_and_again) as target, served() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with client(None, target, tls=tls) as guarded:
            for _ in range(3):
                assert (await guarded.fetch("GET", target.url)).body == b"hello"
        assert (target.connections, proxy.connections) == (3, 0)
