"""A server where guests prove being a person before they open a room (FEATURES P9)."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from commonroom.app import Node
from commonroom.bench.target.port import free_port
from commonroom.config.settings import HttpSettings, LimitSettings, MailSettings, PostgresSettings, Settings
from commonroom.engine.local import LocalRouter
from commonroom.errors import Unavailable
from commonroom.http.policy import content_policy
from commonroom.ids import new_id
from tests.http.account import registered, unused
from tests.http.api import Account, Answer, Api
from tests.support.client import Peer, Refused
from tests.support.mail import MailServer
from tests.support.postgres import create_database
from tests.support.siteverify import SITE_KEY, SiteverifyServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESSES: list[str] = []
POLICY = "Content-Security-Policy"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncIterator[SiteverifyServer]:
    async with SiteverifyServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def proving(
    own_dsn: str, tmp_path_factory: pytest.TempPathFactory, api: Api, mail: MailServer, provider: SiteverifyServer
) -> AsyncIterator[Api]:
    http, postgres = HttpSettings(port=0, metrics_port=free_port()), PostgresSettings(url=own_dsn)
    data: Path = tmp_path_factory.mktemp("data")
    letters, limits = MailSettings(smtp_url=mail.url, sender="Commonroom <rooms@example.org>"), LimitSettings(scale=1000)
    node = Node(Settings(data=data, http=http, postgres=postgres, mail=letters, limits=limits, challenge=provider.settings))
    await node.open()
    yield Api(node, api._session)
    await node.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def limiting(dsn: str, tmp_path_factory: pytest.TempPathFactory, mail: MailServer, provider: SiteverifyServer) -> AsyncIterator[Node]:
    """A server with the limits that everybody has."""
    own = dsn.rpartition("/")[2].partition("?")[0]
    url = await create_database(dsn.replace(f"/{own}?", "/commonroom?"), f"limiting{new_id(1)}")
    http, letters = HttpSettings(port=0, metrics_port=free_port()), MailSettings(smtp_url=mail.url, sender="Commonroom <rooms@example.org>")
    data: Path = tmp_path_factory.mktemp("data")
    node = Node(Settings(data=data, http=http, postgres=PostgresSettings(url=url), mail=letters, challenge=provider.settings))
    await node.open()
    yield node
    await node.close()


@pytest_asyncio.fixture(loop_scope="session")
async def strict(limiting: Node, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """From an address where nobody was before."""
    ADDRESSES.append(request.node.name)
    connector = aiohttp.TCPConnector(local_addr=(f"127.0.9.{len(ADDRESSES)}", 0))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=connector) as session:
        yield Api(limiting, session)


@pytest_asyncio.fixture(loop_scope="session")
async def guest(proving: Api) -> Account:
    return await proving.guest("Ada")


async def _open(api: Api, who: Account, token: str | None = None, key: str = "", **fields: Any) -> Answer:
    said = {} if token is None else {"challenge": token}
    headers = {**who.bearer, **({"Idempotency-Key": key} if key else {})}
    return await api.call("POST", "/v1/rooms", {"title": "t", **said, **fields}, headers)


async def test_P9_a_guest_opens_a_room_with_a_token_and_another_with_another(
    proving: Api, provider: SiteverifyServer, guest: Account
) -> None:
    token = provider.token()
    assert (await _open(proving, guest, token)).status == 201
    (await _open(proving, guest, token)).problem(403, "CHALLENGE_FAILED")
    assert (await _open(proving, guest, provider.token())).status == 201


@pytest.mark.parametrize("token", [None, "", "forged"])
async def test_P9_without_a_token_that_holds_a_guest_opens_nothing(proving: Api, guest: Account, token: str | None) -> None:
    body = (await _open(proving, guest, token)).problem(403, "CHALLENGE_FAILED")
    assert body["code"] == 122


async def test_a_token_has_2048_characters_at_most(proving: Api, provider: SiteverifyServer, guest: Account) -> None:
    before = len(provider.asked)
    assert (await _open(proving, guest, "x" * 2049)).problem(422, "INVALID")["field"] == "$.challenge"
    assert len(provider.asked) == before


async def test_P9_a_token_of_another_page_or_action_opens_nothing(proving: Api, provider: SiteverifyServer, guest: Account) -> None:
    for token in (provider.token("evil.example"), provider.token(action="login")):
        (await _open(proving, guest, token)).problem(403, "CHALLENGE_FAILED")


async def test_P9_a_provider_that_is_silent_lets_nobody_through(proving: Api, provider: SiteverifyServer, guest: Account) -> None:
    token = provider.token()

    async def broken(_request: object) -> Any:
        raise ConnectionResetError

    provider.page = broken
    body = (await _open(proving, guest, token)).problem(503, "RETRY")
    assert body["retryable"]
    provider.page = None
    assert (await _open(proving, guest, token)).status == 201


async def test_a_retry_of_an_opened_room_needs_no_second_token(proving: Api, provider: SiteverifyServer, guest: Account) -> None:
    token = provider.token()
    first = await _open(proving, guest, token, "key-of-test-1", visibility="private")
    before = len(provider.asked)
    again = [await _open(proving, guest, said, "key-of-test-1", visibility="private") for said in (token, None, "forged", provider.token())]
    assert {answer.status for answer in again} == {201}
    assert {answer.json["id"] for answer in again} == {first.json["id"]}
    assert len(provider.asked) == before


async def test_a_token_holds_still_for_a_room_that_could_not_be_opened(
    proving: Api, provider: SiteverifyServer, guest: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_asked: object) -> None:
        raise Unavailable("the journal waits for the database")

    token, before = provider.token(), len(provider.asked)
    with monkeypatch.context() as patch:
        patch.setattr(LocalRouter, "ask", away)
        (await _open(proving, guest, token, "key-of-test-4")).problem(503, "RETRY")
    assert (await _open(proving, guest, token, "key-of-test-4")).status == 201
    assert len(provider.asked) == before + 1


async def test_P9_a_token_that_was_taken_for_a_room_does_not_open_another(proving: Api, provider: SiteverifyServer, guest: Account) -> None:
    token, other = provider.token(), await proving.guest("Bob")
    assert (await _open(proving, guest, token, "key-of-test-2")).status == 201
    (await _open(proving, guest, token, "key-of-test-3")).problem(403, "CHALLENGE_FAILED")
    (await _open(proving, other, token, "key-of-test-2")).problem(403, "CHALLENGE_FAILED")


async def test_P9_of_many_at_once_with_one_token_one_room_comes(proving: Api, provider: SiteverifyServer, guest: Account) -> None:
    token = provider.token()
    answers = await asyncio.gather(*(_open(proving, guest, token, f"key-of-many-{number}") for number in range(10)))
    assert sorted({answer.status for answer in answers} - {403, 503}) == [201]
    assert [answer.status for answer in answers].count(201) == 1


async def test_P9_who_proves_nothing_uses_up_nobodys_rooms(strict: Api, provider: SiteverifyServer) -> None:
    bot, innocent = await strict.guest("bot"), await strict.guest("innocent")
    for number in range(30):
        (await _open(strict, bot)).problem(403, "CHALLENGE_FAILED")
        if number < 5:
            (await _open(strict, bot, "forged")).problem(403, "CHALLENGE_FAILED")
    assert (await _open(strict, innocent, provider.token())).status == 201


async def test_P9_a_provider_that_is_silent_uses_nobodys_rooms_up(strict: Api, provider: SiteverifyServer) -> None:
    async def broken(_request: object) -> Any:
        raise ConnectionResetError

    guest, token = await strict.guest("Ada"), provider.token()
    provider.page = broken
    for _ in range(4):
        (await _open(strict, guest, token)).problem(503, "RETRY")
    provider.page = None
    assert (await _open(strict, guest, token)).status == 201


async def test_P9_the_provider_is_asked_so_often_and_not_where_no_room_is_left(strict: Api, provider: SiteverifyServer) -> None:
    bot, guest, before = await strict.guest("bot"), await strict.guest("Ada"), len(provider.asked)
    answers = [await _open(strict, bot, f"forged-{number}") for number in range(30)]
    assert {answer.status for answer in answers} == {403, 429}
    assert 10 <= len(provider.asked) - before < 20  # one in six seconds flows in meanwhile
    assert [(await _open(strict, guest, provider.token())).status for _ in range(2)] == [201, 201]
    before = len(provider.asked)
    waits = [(await _open(strict, guest, provider.token())).problem(429, "RATE_LIMITED")["retryAfterMs"] for _ in range(2)]
    assert len(provider.asked) == before
    assert waits[1] > 1.5 * waits[0], "P11: refusals go on doubling the wait"


async def test_P9_users_prove_nothing(proving: Api, provider: SiteverifyServer, mail: MailServer) -> None:
    user, before = await registered(proving, mail, unused()), len(provider.asked)
    assert (await _open(proving, user)).status == 201
    assert (await _open(proving, user, "forged")).status == 201
    assert len(provider.asked) == before


async def test_P9_over_the_socket_a_guest_opens_nothing(proving: Api, guest: Account) -> None:
    token = (await proving.call("POST", "/v1/ws-token", {}, guest.bearer)).json["token"]
    peer = await Peer.open(proving.url.replace("http", "ws", 1) + "/v1/ws", token)
    with pytest.raises(Refused) as caught:
        await peer.request("room.create", room="0" * 26, nonce="nonce-of-test", kind="study", title="t")
    assert (caught.value.error.code, caught.value.error.name) == (122, "CHALLENGE_FAILED")
    await peer.close()


async def test_the_page_is_told_how_and_may_load_that_widget_alone(proving: Api, provider: SiteverifyServer) -> None:
    ways = (await proving.call("GET", "/v1/auth/providers")).json
    assert ways["challenge"] == {"siteKey": SITE_KEY, "scriptUrl": provider.settings.script_url, "action": "room-create"}
    policy = (await proving.call("GET", "/")).headers[POLICY]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["script-src"], rules["frame-src"]) == (f"'self' {provider.url}", provider.url)
    assert policy.replace(f"; script-src 'self' {provider.url}; frame-src {provider.url}", "") == content_policy()
    for path in ("/v1/auth/providers", "/client.js", "/docs", "/v1/rooms"):
        assert (await proving.call("GET", path)).headers[POLICY] == content_policy()


async def test_what_one_has_of_the_page_gets_the_policy_of_today(proving: Api, provider: SiteverifyServer) -> None:
    etag = (await proving.call("GET", "/")).headers["ETag"]
    again = await proving.call("GET", "/", headers={"If-None-Match": etag})
    assert again.status == 304
    assert provider.url in again.headers[POLICY]


async def test_where_it_is_off_nothing_is_asked_or_allowed(api: Api, ada: Account) -> None:
    assert (await api.call("GET", "/v1/auth/providers")).json["challenge"] is None
    assert (await api.call("GET", "/")).headers[POLICY] == content_policy()
    assert (await _open(api, ada)).status == 201
    assert (await _open(api, ada, "forged")).status == 201


async def test_neither_secret_nor_token_is_logged_or_answered(
    proving: Api, provider: SiteverifyServer, guest: Account, log: io.StringIO
) -> None:
    tokens = [provider.token(), provider.token("evil.example"), "forged-hunter2"]
    answers = [await _open(proving, guest, token) for token in tokens]
    shown = log.getvalue() + "".join(answer.body.decode() for answer in answers)
    assert "evil.example" in log.getvalue()
    assert "hunter2" not in shown
    assert not any(token in shown for token in tokens)
