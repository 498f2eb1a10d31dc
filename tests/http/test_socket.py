"""The one port, byte by byte: an upgrade on a connection that served HTTP, and heads that no parser should see."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Self

import pytest
import pytest_asyncio

from commonroom.protocol.codec import MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.session import Welcome
from commonroom.protocol.wire import ServerMessage
from tests.http.api import Account, Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPGRADE = (
    "GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    f"Sec-WebSocket-Protocol: {MSGPACK_PROTOCOL}\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The key's answer, RFC 6455 section 1.3."""

MALFORMED = {
    "length of another type": b"POST /v1/guests HTTP/1.1\r\nHost: h\r\nContent-Length: abc\r\n\r\n",
    "negative length": b"POST /v1/guests HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /v1/guests HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST /v1/guests HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no request": b"hello\r\n\r\n",
    "another version": b"GET / HTTP/3.7\r\nHost: h\r\n\r\n",
    "line without a colon": b"GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "long line": b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
}


class Wire:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader = reader
        self.writer = writer
        self.host = host

    @classmethod
    async def open(cls, url: str) -> Self:
        host = url.removeprefix("http://")
        name, _, port = host.rpartition(":")
        return cls(*await asyncio.open_connection(name, int(port)), host)

    def send(self, text: str) -> None:
        self.writer.write(text.replace("{host}", self.host).encode())

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)

    async def get(self, path: str) -> tuple[bytes, bytes]:
        """A request that keeps the connection: (head, body)."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n")
        head = await self.head()
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return head, await self.reader.readexactly(length)

    def command(self, name: str, **fields: object) -> None:
        """A command in one masked binary frame; the mask is of zeros."""
        data = MSGPACK.encode(COMMANDS[name](ref=1, **fields))
        self.writer.write(b"\x82" + bytes([0x80 | 126]) + len(data).to_bytes(2) + bytes(4) + data)

    async def message(self) -> ServerMessage:
        """The next message of the server."""
        first, length = await asyncio.wait_for(self.reader.readexactly(2), 10)
        assert first == 0x82
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2))
        return MSGPACK.decode_server(await self.reader.readexactly(length))

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest_asyncio.fixture(loop_scope="session")
async def wire(api: Api) -> AsyncIterator[Wire]:
    wire = await Wire.open(api.url)
    yield wire
    await wire.close()


@pytest.mark.parametrize("target", ["/v1/ws", "/v1/ws/any", "/v1/ws/page%2F12"])
async def test_a_kept_connection_becomes_a_socket(api: Api, ada: Account, wire: Wire, target: str) -> None:
    token = (await api.call("POST", "/v1/ws-token", {}, ada.bearer)).json["token"]
    for path in ("/healthz", "/v1/rooms"):
        assert (await wire.get(path))[0].startswith(b"HTTP/1.1 200")
    wire.send(UPGRADE.replace("/v1/ws", target) + "\r\n")
    head = await wire.head()
    assert head.startswith(b"HTTP/1.1 101")
    assert ACCEPT in head
    wire.command("hello", token=token)
    welcome = await wire.message()
    assert isinstance(welcome, Welcome)


async def test_W1_a_kept_connection_from_another_site_does_not_become_a_socket(wire: Wire) -> None:
    await wire.get("/healthz")
    wire.send(UPGRADE + "Origin: https://evil.example\r\n\r\n")
    assert (await wire.head()).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("kept", [False, True], ids=["first", "kept"])
@pytest.mark.parametrize("path", ["/v1/ws/", "/v1/ws/a/b", "/v1/ws/%ff", "/v1/ws/" + "x" * 124])
async def test_a_path_that_names_no_possible_room_is_not_found(wire: Wire, path: str, kept: bool) -> None:
    if kept:
        await wire.get("/healthz")
    wire.send(UPGRADE.replace("/v1/ws", path) + "\r\n")
    assert (await wire.head()).startswith(b"HTTP/1.1 404")


async def test_a_kept_connection_that_asks_for_no_upgrade_is_refused(wire: Wire) -> None:
    await wire.get("/healthz")
    wire.send("GET /v1/ws HTTP/1.1\r\nHost: {host}\r\n\r\n")
    assert (await wire.head()).startswith(b"HTTP/1.1 4")


async def test_requests_sent_at_once_are_answered_in_order(wire: Wire) -> None:
    wire.send("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n" * 3 + "GET /no HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    answers = await asyncio.wait_for(wire.reader.read(), 10)
    assert answers.count(b"HTTP/1.1 200") == 3
    assert answers.rfind(b"HTTP/1.1 404") > answers.rfind(b"HTTP/1.1 200")


@pytest.mark.parametrize("kept", [False, True], ids=["first", "kept"])
@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_http_is_refused_without_a_word_about_us(wire: Wire, request_bytes: bytes, kept: bool) -> None:
    if kept:
        await wire.get("/healthz")
    wire.writer.write(request_bytes)
    answer = await asyncio.wait_for(wire.reader.read(), 10)
    assert answer.startswith(b"HTTP/1.")
    assert answer.split()[1].startswith(b"4")
    assert b"python" not in answer.lower()
    assert b"aiohttp" not in answer.lower()
    assert answer.count(b"HTTP/1.") == 1


async def test_what_is_no_http_fills_no_log(wire: Wire, log: io.StringIO) -> None:
    wire.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer canary\r\nBad Header: canary\r\n\r\n")
    await asyncio.wait_for(wire.reader.read(), 10)
    (line,) = log.getvalue().splitlines()
    assert "canary" not in line
    assert json.loads(line)["level"] == "info"


async def test_a_client_that_leaves_amid_its_body_harms_nobody(api: Api) -> None:
    leaving = await Wire.open(api.url)
    leaving.send("POST /v1/guests HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await leaving.close()
    assert (await api.call("GET", "/readyz")).status == 200
