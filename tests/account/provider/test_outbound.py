"""The way to the providers is bounded, whatever they answer."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from commonroom.account.provider import Outbound, ProviderRefused, ProviderSilent
from commonroom.account.provider.outbound import MAX_BYTES
from commonroom.codes import ErrorCode
from commonroom.errors import row_of
from tests.account.provider.conftest import Stage
from tests.account.provider.hostile import ACCESS_TOKEN
from tests.support.client import until
from tests.support.mail import certificate

PATHS = ("/.well-known/openid-configuration", "/jwks", "/token", "/userinfo")
SOON_S = 1.0

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _answer(status: int = 200, **how: Any) -> Page:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(status=status, **how)

    return page


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"[" * 65536)


async def _dripping(request: web.Request) -> web.StreamResponse:
    """Never silent for long enough to be noticed by a timeout of reads."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(SOON_S / 100)


async def _mute(request: web.Request) -> web.StreamResponse:
    await request.content.read()
    await asyncio.Event().wait()
    raise AssertionError


async def _torn(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.fixture
async def impatient(tls: ssl.SSLContext) -> AsyncIterator[Outbound]:
    """As the usual one, but not for as long."""
    outbound = Outbound(SOON_S, tls=tls)
    yield outbound
    await outbound.close()


def _without_email(stage: Stage) -> str:
    """A token that has the user info asked."""
    return stage.key.sign(stage.claims(email=...))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "page", [_endless, _torn, _answer(500), _answer(503, text="{}"), _answer(429)], ids=["endless", "torn", "500", "503", "429"]
)
async def test_an_answer_that_is_not_whole_or_a_failure_is_given_up(stage: Stage, path: str, page: Page) -> None:
    stage.server.pages[path] = page
    refusal = await stage.refuse(_without_email(stage), ProviderSilent)
    assert refusal.startswith("the provider did not answer")
    assert stage.server.asked[path] == 1


@pytest.mark.parametrize("page", [_dripping, _mute])
async def test_an_answer_that_takes_too_long_is_given_up(stage: Stage, impatient: Outbound, page: Page) -> None:
    stage.server.pages["/token"] = page
    stage = Stage(stage.server, stage.key, impatient, stage.clock)
    assert "no whole answer" in await stage.refuse(_without_email(stage), ProviderSilent)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "page",
    [
        _answer(text="x"), _answer(text="null"), _answer(text="[]"), _answer(text='"x"'), _answer(text="{}"), _answer(text="[" * 100_000),
        _answer(text='{"a":' * 9000), _answer(body=b"\xff\xfe"), _answer(body=b""), _answer(404, text="{}"), _answer(401, text="{}"),
        _answer(204), _answer(201, text="{}"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_refused(stage: Stage, path: str, page: Page) -> None:
    stage.server.pages[path] = page
    refusal = await stage.refuse(_without_email(stage))
    assert refusal.startswith("the provider refused")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_not_even_with_a_body(stage: Stage, path: str, status: int) -> None:
    good = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": stage.key.sign(stage.claims())}
    where = {"Location": f"{stage.server.issuer}/elsewhere"}

    async def page(_request: web.Request) -> web.Response:
        return web.json_response(good, status=status, headers=where)

    stage.server.pages[path] = page
    assert "a redirect" in await stage.refuse(_without_email(stage))
    assert stage.server.asked["/elsewhere"] == 0


async def test_an_answer_may_have_as_many_bytes_as_the_limit(stage: Stage) -> None:
    text = '{"x": "' + "x" * (MAX_BYTES - 9) + '"}'
    assert len(text) == MAX_BYTES
    stage.server.pages["/x"] = _answer(text=text)
    await stage.outbound.get(f"{stage.server.issuer}/x", dict[str, Any])
    stage.server.pages["/x"] = _answer(text=f"{text} ")
    with pytest.raises(ProviderSilent, match="over 1048576 bytes"):
        await stage.outbound.get(f"{stage.server.issuer}/x", dict[str, Any])


@asynccontextmanager
async def _held(stage: Stage, path: str) -> AsyncIterator[list[int]]:
    """A page that answers only at the end; how many wait for it at once, each time one comes."""
    waiting, seen, go = 0, [0], asyncio.Event()

    async def page(_request: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        seen.append(waiting)
        await go.wait()
        waiting -= 1
        return web.json_response({})

    stage.server.pages[path] = page
    yield seen
    go.set()


async def test_no_more_than_so_many_are_asked_at_once(stage: Stage, tls: ssl.SSLContext) -> None:
    outbound = Outbound(at_once=3, tls=tls)
    async with asyncio.TaskGroup() as tasks, _held(stage, "/x") as seen:
        answers = [tasks.create_task(outbound.get(f"{stage.server.issuer}/x", dict[str, Any])) for _ in range(10)]
        await until(lambda: max(seen) == 3, "three requests")
        await asyncio.gather(*(stage.outbound.get(f"{stage.server.issuer}/jwks", dict[str, Any]) for _ in range(3)))
        assert not any(answer.done() for answer in answers)
    assert (max(seen), len(seen)) == (3, 11)
    await outbound.close()


async def test_who_waits_for_a_place_does_not_wait_longer_than_for_an_answer(stage: Stage, tls: ssl.SSLContext) -> None:
    outbound = Outbound(SOON_S, at_once=1, tls=tls)
    stage.server.pages["/x"] = _mute
    answers = await asyncio.gather(*(outbound.get(f"{stage.server.issuer}/x", dict[str, Any]) for _ in range(5)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {ProviderSilent}
    assert stage.server.asked["/x"] < 5  # not each after the one before; at the very end the place may be free for one more
    assert await outbound.get(f"{stage.server.issuer}/jwks", dict[str, Any])  # the place is free again
    await outbound.close()


async def test_nobody_there_is_no_answer(stage: Stage, unused_tcp_port: int) -> None:
    with pytest.raises(ProviderSilent) as caught:
        await stage.outbound.get(f"http://127.0.0.1:{unused_tcp_port}/x", dict[str, Any])
    assert row_of(caught.value).code is ErrorCode.RETRY


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(stage: Stage, tmp_path: Path) -> None:
    known = certificate(tmp_path)
    served = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=known.server)
    url = f"https://127.0.0.1:{served.sockets[0].getsockname()[1]}/x"
    with pytest.raises(ProviderSilent, match="ConnectError"):
        await stage.outbound.get(url, dict[str, Any])
    trusting = Outbound(tls=known.client)
    with pytest.raises(ProviderSilent, match="RemoteProtocolError"):  # it got as far as asking
        await trusting.get(url, dict[str, Any])
    await trusting.close()
    served.close()
    await served.wait_closed()


async def test_a_compressed_answer_is_not_asked_for_and_not_opened(stage: Stage) -> None:
    asked: list[str] = []

    async def page(request: web.Request) -> web.Response:
        asked.append(request.headers["Accept-Encoding"])
        return web.Response(body=gzip.compress(b'{"keys": []}'), headers={"Content-Encoding": "gzip"})

    stage.server.pages["/x"] = page
    with pytest.raises(ProviderRefused, match="cannot be read"):
        await stage.outbound.get(f"{stage.server.issuer}/x", dict[str, Any])
    assert asked == ["identity"]


async def test_no_cookie_of_a_provider_is_kept(stage: Stage) -> None:
    seen: list[str] = []

    async def page(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie", ""))
        return web.json_response({}, headers={"Set-Cookie": "a=b; Path=/"})

    stage.server.pages["/x"] = page
    for _ in range(2):
        await stage.outbound.get(f"{stage.server.issuer}/x", dict[str, Any])
    assert seen == ["", ""]


async def test_a_proxy_of_the_environment_sees_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"{stage.server.issuer}/proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    outbound = Outbound(tls=tls)
    assert await Stage(stage.server, stage.key, outbound, stage.clock).identify()
    await outbound.close()
