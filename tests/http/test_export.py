"""The export of all that is kept about somebody: whole, or visibly not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp
import pytest

from commonroom.errors import Unavailable
from commonroom.http.routes import export
from commonroom.identity import Principal
from commonroom.storage.repository.personal_data import OwnMessage, PersonalData
from tests.http.account import registered, unused
from tests.http.api import Account, Api
from tests.http.test_logout import socket_of
from tests.support.client import until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/v1/me/export"
MEGABYTE = 1_000_000

Messages = Callable[[PersonalData, Sequence[str]], AsyncIterator[list[OwnMessage]]]


def message(text: str = "hello") -> OwnMessage:
    return OwnMessage("room", 1, 1, Principal("guest", "ada"), text, None, False)


async def exported(api: Api, account: Account, messages: int = 0) -> Any:
    """The export, once the projection has so many messages."""
    async with asyncio.timeout(20):
        while True:
            answer = await api.call("GET", PATH, headers=account.bearer)
            assert answer.status == 200, answer.body
            if len({(one["room"], one["id"]) for one in answer.json["messages"]}) >= messages:
                return answer.json


async def test_a_user_gets_all_that_is_kept_also_of_the_guest_it_was(api: Api, mail: MailServer, ada: Account, bob: Account) -> None:
    room, address = await api.room(ada, "Ada's room"), unused()
    peer, other = await socket_of(api, ada), await socket_of(api, bob)
    for one in (peer, other):
        await one.request("room.join", room=room)
    first: Any = await peer.request("message.send", room=room, text="as a guest", nonce="nonce-0001")
    await other.request("message.send", room=room, text="of somebody else", nonce="nonce-0002")
    user = await registered(api, mail, address, ada.bearer)
    fresh = (await api.call("POST", "/v1/ws-token", {}, user.bearer)).json["token"]
    await peer.request("refresh", token=fresh)
    await peer.request("message.edit", room=room, message=first.offset, text='"edited" 👩‍💻', nonce="nonce-0003")
    second: Any = await peer.request("message.send", room=room, text="as the user", nonce="nonce-0004")
    for one in (peer, other):
        await one.close()
    whole = await exported(api, user, messages=2)
    latest = {one["id"]: one for one in whole["messages"]}
    assert {(one["room"], one["id"], one["text"], one["author"]["actorType"]) for one in latest.values()} == {
        (room, first.offset, '"edited" 👩‍💻', "guest"),
        (room, second.offset, "as the user", "user"),
    }
    assert latest[first.offset]["editedAt"] is not None
    assert whole["me"] == (await api.call("GET", "/v1/me", headers=user.bearer)).json
    assert whole["me"]["email"] == address
    assert [one["title"] for one in whole["rooms"]] == ["Ada's room"]
    (login,) = whole["sessions"]
    assert (login["sessionId"], login["endedAt"]) == (user.sid, None)
    assert login["upgradedAt"] is not None
    assert whole["methods"] == []


async def test_an_export_is_a_file_that_nobody_keeps(api: Api, ada: Account) -> None:
    answer = await api.call("GET", PATH, headers=ada.bearer)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="commonroom-export.json"'
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert answer.headers["X-Request-Id"]
    assert answer.json["me"]["sessionId"] == ada.sid
    assert (answer.json["rooms"], answer.json["messages"]) == ([], [])


async def test_who_is_not_signed_in_gets_nothing(api: Api, ada: Account) -> None:
    (await api.call("GET", PATH)).problem(401, "UNAUTHENTICATED")
    await api.call("POST", "/v1/auth/logout", headers=ada.bearer)
    (await api.call("GET", PATH, headers=ada.bearer)).problem(401, "UNAUTHENTICATED")


async def test_one_export_is_made_at_a_time(api: Api, ada: Account, bob: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def held(_data: PersonalData, _actors: Sequence[str]) -> AsyncIterator[list[OwnMessage]]:
        begun.set()
        await go_on.wait()
        yield [message()]

    monkeypatch.setattr(PersonalData, "messages", held)
    first = asyncio.create_task(api.call("GET", PATH, headers=ada.bearer))
    await begun.wait()
    refused = await api.call("GET", PATH, headers=bob.bearer)
    assert refused.problem(503, "RETRY")["retryAfterMs"] == 5000
    assert refused.headers["Retry-After"] == "5"
    go_on.set()
    assert len((await first).json["messages"]) == 1
    assert (await api.call("GET", PATH, headers=bob.bearer)).status == 200


async def bytes_of(api: Api, account: Account) -> bytes:
    """All that the server sends until it closes the connection."""
    host, _, port = api.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {account.access}\r\n\r\n".encode())
    received = b""
    async with asyncio.timeout(20):
        try:
            while data := await reader.read(65536):
                received += data
        except ConnectionResetError:
            pass
    writer.close()
    return received


def broken_off(received: bytes) -> None:
    """Neither the end of a chunked body nor a second answer within the first."""
    assert received.startswith(b"HTTP/1.1 200")
    assert received.count(b"HTTP/1.1") == 1
    assert not received.endswith(b"0\r\n\r\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(b"".join(received.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2]))


@pytest.mark.parametrize(
    "error", [Unavailable("the database does not answer"), ZeroDivisionError("a mistake of ours")], ids=["away", "bug"]
)
async def test_what_fails_in_the_middle_is_seen_to_be_unfinished(
    api: Api, ada: Account, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sent = asyncio.Event()

    async def failing(_data: PersonalData, _actors: Sequence[str]) -> AsyncIterator[list[OwnMessage]]:
        yield [message()]
        await sent.wait()
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(PersonalData, "messages", failing)
        asyncio.get_running_loop().call_soon(sent.set)
        broken_off(await bytes_of(api, ada))
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
            await api.call("GET", PATH, headers=ada.bearer)
    assert (await api.call("GET", PATH, headers=ada.bearer)).status == 200


async def test_an_export_ends_with_its_login_session(api: Api, ada: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def held(_data: PersonalData, _actors: Sequence[str]) -> AsyncIterator[list[OwnMessage]]:
        begun.set()
        await go_on.wait()
        yield [message()]

    monkeypatch.setattr(PersonalData, "messages", held)
    thief = asyncio.create_task(bytes_of(api, ada))
    await begun.wait()
    assert (await api.call("POST", "/v1/auth/logout", headers=ada.bearer)).status == 204
    go_on.set()
    received = await thief
    broken_off(received)
    assert b'"text":"hello"' not in received


@pytest.mark.parametrize("leaves", [False, True], ids=["takes nothing", "leaves"])
async def test_a_client_that_does_not_take_it_holds_it_up_no_longer(
    api: Api, ada: Account, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    """Nor does what it does not take pile up here."""
    made = 0

    async def endless(_data: PersonalData, _actors: Sequence[str]) -> AsyncIterator[list[OwnMessage]]:
        nonlocal made
        while True:
            made += 1
            yield [message("x" * MEGABYTE)]

    with monkeypatch.context() as patched:
        patched.setattr(PersonalData, "messages", endless)
        patched.setattr(export, "PATIENCE_S", 3600.0 if leaves else 0.3)
        host, _, port = api.url.removeprefix("http://").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {ada.access}\r\n\r\n".encode())
        await until(lambda: made, "the first batch")
        if leaves:
            writer.transport.abort()
    async with asyncio.timeout(20):
        while (answer := await api.call("GET", PATH, headers=ada.bearer)).status == 503:
            answer.problem(503, "RETRY")
    assert answer.status == 200
    assert made < 40
    writer.transport.abort()
