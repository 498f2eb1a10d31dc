"""Raw HTTP that two parsers might read differently, on a raw socket against the real listener (RELIABILITY S5).

Never two answers to what is one request, and never an answer to what is hidden in it: 4xx and the end of the connection.
Each form is tried as the first request of a connection, whose head the listener looks at, and as a later one, which aiohttp reads alone.
"""

import asyncio
import gzip
import io
import re
from contextlib import suppress
from typing import Final

import pytest

from tests.http.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

HIDDEN: Final = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
"""What a smuggler wants to be answered: it would be 200."""

STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3}) [A-Z]")
BOUND_S: Final = 20.0
BOMB: Final = gzip.compress(bytes(10_000_000), 9)


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A request for a guest with these header lines."""
    return b"\r\n".join([b"POST /v1/guests HTTP/1.1", b"Host: a", b"Content-Type: application/json", *lines, b"", body])


CHUNKED: Final = b"0\r\n\r\n" + HIDDEN
FORMS: Final = {
    "length and chunked": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED),
    "chunked and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 40", body=CHUNKED),
    "chunked123": post(b"Transfer-Encoding: chunked123", body=CHUNKED),
    "a control before chunked": post(b"Transfer-Encoding: \x0bchunked", body=CHUNKED),
    "chunked, then another": post(b"Transfer-Encoding: chunked, identity", body=CHUNKED),
    "chunked twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKED),
    "identity": post(b"Transfer-Encoding: identity", b"Content-Length: 2", body=b"{}" + HIDDEN),
    "a space before the colon": post(b"Transfer-Encoding : chunked", body=CHUNKED),
    "two lengths": post(b"Content-Length: 2", b"Content-Length: 40", body=b"{}" + HIDDEN),
    "two lengths in one": post(b"Content-Length: 2, 40", body=b"{}" + HIDDEN),
    "the same length twice": post(b"Content-Length: 2", b"Content-Length: 2", body=b"{}" + HIDDEN),
    "a signed length": post(b"Content-Length: +5", body=b"{}   " + HIDDEN),
    "a length below zero": post(b"Content-Length: -5", body=HIDDEN),
    "an arabic length": post("Content-Length: ٥".encode(), body=b"{}   " + HIDDEN),
    "a length with an underscore": post(b"Content-Length: 1_0", body=HIDDEN),
    "a length in hex": post(b"Content-Length: 0x5", body=b"{}   " + HIDDEN),
    "an endless length": post(b"Content-Length: " + b"9" * 30, body=HIDDEN),
    "line feeds alone": post(b"Content-Length: 2", body=b"{}").replace(b"\r\n", b"\n") + HIDDEN,
    "one line feed alone": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nContent-Length: 40\r\n\r\n" + HIDDEN,
    "a carriage return alone": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 40\r\n\r\n" + HIDDEN,
    "a folded line": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 40\r\n\r\n" + HIDDEN,
    "a folded encoding": post(b"Transfer-Encoding:", b" chunked", body=CHUNKED),
    "a first line that is folded": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n" + HIDDEN,
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n" + HIDDEN,
    "NUL in a name": b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: a\r\n\r\n" + HIDDEN,
    "a name that is none": b"GET / HTTP/1.1\r\nHost: a\r\nX(: a\r\n\r\n" + HIDDEN,
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n" + HIDDEN,
    "no name": b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n" + HIDDEN,
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + HIDDEN,
    "another version": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n" + HIDDEN,
    "version 3": b"GET / HTTP/3.0\r\nHost: a\r\n\r\n" + HIDDEN,
    "a tab in the request line": b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "a bad chunk size": post(b"Transfer-Encoding: chunked", body=b"0x2\r\n{}\r\n" + CHUNKED),
    "a signed chunk size": post(b"Transfer-Encoding: chunked", body=b"+2\r\n{}\r\n" + CHUNKED),
    "a chunk size with a line feed alone": post(b"Transfer-Encoding: chunked", body=b"2\n{}\r\n" + CHUNKED),
    "a chunk size with an underscore": post(b"Transfer-Encoding: chunked", body=b"1_0\r\n" + b"x" * 16 + b"\r\n" + CHUNKED),
    "an endless chunk size": post(b"Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\n" + HIDDEN),
    "a chunk that is longer than it says": post(b"Transfer-Encoding: chunked", body=b"2\r\n{}" + HIDDEN),
    "a chunk with an extension across lines": post(b"Transfer-Encoding: chunked", body=b"2;a\rb\r\n{}\r\n" + CHUNKED),
    "a trailer that is none": post(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nno colon\r\n\r\n" + HIDDEN),
}


async def exchange(port: int, data: bytes, *, kept: bool) -> list[bytes]:
    """All answers to these bytes, each with what follows it, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if kept:
            writer.write(HIDDEN)
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"Content-Length: (\d+)", head)
            assert found is not None
            await reader.readexactly(int(found[1]))
        writer.write(data)
        came = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(BOUND_S):
                while more := await reader.read(2**16):
                    came += more
        return split(came)
    finally:
        writer.transport.abort()


def split(came: bytes) -> list[bytes]:
    starts = [found.start() for found in STATUS.finditer(came)]
    return [came[start:end] for start, end in zip(starts, [*starts[1:], len(came)], strict=False)]


@pytest.mark.parametrize("kept", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS.keys())
async def test_S5_what_could_be_read_in_two_ways_is_refused_once_and_ends_the_connection(api: Api, data: bytes, kept: bool) -> None:
    (answer,) = await exchange(port_of(api), data, kept=kept)
    assert STATUS.match(answer)
    assert answer[9:12] in {b"400", b"413"}
    assert b"aiohttp" not in answer


async def test_S5_the_hidden_request_would_have_been_answered(api: Api) -> None:
    """Else none of these forms proves anything."""
    sent = post(b"Content-Length: 2", body=b"{}") + HIDDEN.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n")
    assert [answer[9:12] for answer in await exchange(port_of(api), sent, kept=False)] == [b"422", b"200"]


GET: Final = b"GET /v1/me HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
PACKED: Final = b"Content-Encoding: gzip"
BIG: Final = {
    "a header of 10 MB": (GET + b"X: " + b"x" * 10_000_000 + b"\r\n\r\n", b"431"),
    "100,000 headers": (GET + b"X: y\r\n" * 100_000 + b"\r\n", b"431"),
    "an address of 10 MB": (b"GET /" + b"x" * 10_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
    "a million chunks of a byte": (post(b"Transfer-Encoding: chunked", body=b"1\r\n \r\n" * 1_000_000 + b"0\r\n\r\n"), b"413"),
    "a body of 10 MB": (post(b"Content-Length: 10000000", body=b" " * 10_000_000), b"413"),
    "a bomb": (post(PACKED, b"Content-Length: %d" % len(BOMB), body=BOMB), b"413"),
    "a bomb in a chunk": (post(PACKED, b"Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB)), b"413"),
    "1,000 odd cookies": (GET + b'Cookie: \x80="=;=;a b=c;$Path=/;;a=b;{}=1;c=d\r\n' * 100 + b"\r\n", b"401"),
    "a cookie of 2,000 names": (GET + b"Cookie: " + b"a=b;" * 2000 + b"\r\n\r\n", b"401"),
}


@pytest.mark.parametrize(("data", "status"), BIG.values(), ids=BIG.keys())
async def test_S5_what_is_too_much_is_refused_and_ends_the_connection(api: Api, log: io.StringIO, data: bytes, status: bytes) -> None:
    (answer,) = await exchange(port_of(api), data, kept=False)
    assert answer[9:12] == status
    assert len(log.getvalue()) < 3000, "whoever sends much would fill the log"


async def test_S5_ten_thousand_requests_at_once_are_answered_one_by_one(api: Api) -> None:
    """More than are kept: the others wait in the kernel."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(api))
    writer.write(HIDDEN * 10_000)
    count, rest = 0, b""
    async with asyncio.timeout(BOUND_S * 3):
        while count < 10_000:
            parts = (rest + await reader.read(2**16)).split(b'{"status":"ok"}')
            count, rest = count + len(parts) - 1, parts[-1]
    assert rest == b""
    writer.transport.abort()


VERSION: Final = b"Sec-WebSocket-Version: %d\r\n"


@pytest.mark.parametrize("kept", [False, True], ids=["first", "later"])
@pytest.mark.parametrize(
    "wrong",
    [
        b"Sec-WebSocket-Version: 12\r\n",
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n",
        b"",
        b"Sec-WebSocket-Version: 13\r\nOrigin: http://b\r\n",
    ],
    ids=["version 12", "two versions", "no version", "another origin"],
)
async def test_S5_a_refused_upgrade_is_no_tunnel_to_the_request_behind_it(api: Api, kept: bool, wrong: bytes) -> None:
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: commonroom.v1\r\n"
    sent = b"GET /v1/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + key + wrong + b"\r\n" + HIDDEN
    (answer,) = await exchange(port_of(api), sent, kept=kept)
    assert answer[9:12] in {b"400", b"403", b"426"}


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"PRI", b"TRACK"])
async def test_S5_nothing_is_a_proxy(api: Api, method: bytes) -> None:
    for target in (b"example.org:443", b"http://example.org/", b"*", b"/"):
        sent = method + b" " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answers = await exchange(port_of(api), sent, kept=False)
        assert [answer[9:12] for answer in answers] in [[b"400"], [b"404"], [b"405"]]


def port_of(api: Api) -> int:
    return int(api.url.rpartition(":")[2])
