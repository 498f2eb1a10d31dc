"""Limits of routes, asked of nodes with the limits that everybody has: one that is alone, and two that share Redis."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from commonroom.app import Node
from commonroom.bench.target.port import free_port
from commonroom.config.settings import ClusterSettings, HttpSettings, MailSettings, PostgresSettings, RedisSettings, Settings
from commonroom.errors import InternalError
from commonroom.http.application import routes
from commonroom.http.limit import limited
from commonroom.http.route import Route
from commonroom.http.services import SERVICES
from commonroom.ids import new_id
from commonroom.limit import Limiter
from commonroom.limit.limit import AUTH_BY_ADDRESS, GUESTS, LOGINS, LOGINS_OF_STRANGERS
from tests.http.account import PASSWORD, letter_to, registered, unused
from tests.http.api import UNSAID, Answer, Api
from tests.support.mail import MailServer
from tests.support.postgres import create_database
from tests.support.redis import redis_url

__all__ = ["redis_url"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = "wrong horse battery"


class Street:
    """Addresses to come from, and the doors that are open there."""

    def __init__(self, nodes: list[Node], parts: AsyncExitStack) -> None:
        self.nodes = nodes
        self._parts = parts
        self._last = 1

    async def address(self) -> list[Api]:
        """An address where nobody was before: a client of each node."""
        self._last += 1
        where = (f"127.0.{self._last // 250}.{1 + self._last % 250}", 0)
        connector = aiohttp.TCPConnector(local_addr=where)
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=connector)
        await self._parts.enter_async_context(session)
        return [Api(node, session) for node in self.nodes]


def _settings(url: str, redis: RedisSettings, mail: MailServer) -> Settings:
    return Settings(
        http=HttpSettings(port=0, metrics_port=free_port()),
        postgres=PostgresSettings(url=url, pool_size=3),
        redis=redis,
        mail=MailSettings(smtp_url=mail.url, sender="Commonroom <rooms@example.org>"),
        cluster=ClusterSettings(ttl_s=1.5, beat_s=0.2, drain_s=0.0, neighbours=False),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["alone", "together"])
async def street(request: pytest.FixtureRequest, dsn: str, redis_url: str, mail: MailServer) -> AsyncIterator[Street]:
    name = f"street{new_id(1)}"
    redis = RedisSettings(url=redis_url, cluster=name) if request.param == "together" else RedisSettings()
    own = dsn.rpartition("/")[2].partition("?")[0]
    url = await create_database(dsn.replace(f"/{own}?", "/commonroom?"), name)
    async with AsyncExitStack() as parts:
        nodes = [Node(_settings(url, redis, mail)) for _ in range(2 if redis.url else 1)]
        await nodes[0].open()
        for other in nodes[1:]:
            await other.open()
        for node in nodes:
            parts.push_async_callback(node.close)
        yield Street(nodes, parts)
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def log_in(api: Api, address: str, password: str, headers: dict[str, str] | None = None) -> Answer:
    return await api.call("POST", "/v1/auth/login", {"email": address, "password": password}, headers)


def variants(address: str) -> list[str]:
    """Ways to type one address: they differ in case, in how characters are composed, and in spaces around."""
    local, _, domain = address.partition("@")
    return [address, address.upper(), f" {address}", f"{local.title()}@{domain.title()}", f"{local}@{domain.replace('e', 'ｅ')}"]


async def statuses(answers: Iterable[Awaitable[Answer]]) -> Counter[int]:
    return Counter(answer.status for answer in await asyncio.gather(*answers))


class TestT16:
    async def test_T16_a_race_of_wrong_passwords_is_limited_by_account_and_the_owner_gets_in(
        self, street: Street, mail: MailServer
    ) -> None:
        owner, attacker = (await street.address())[0], await street.address()
        address = unused()
        await registered(owner, mail, address)
        typed = variants(address)
        tries = [
            log_in(attacker[number % len(attacker)], typed[number % len(typed)], WRONG, {"X-Forwarded-For": f"1.2.3.{number}"})
            for number in range(100)
        ]
        assert await statuses(tries) == {401: LOGINS.amount, 429: 100 - LOGINS.amount}
        assert (await log_in(attacker[0], address, PASSWORD)).status == 429
        assert (await log_in(owner, address, PASSWORD)).status == 200

    async def test_T16_many_addresses_together_are_limited_by_account_and_the_owner_gets_in(self, street: Street, mail: MailServer) -> None:
        owner = (await street.address())[0]
        address = unused()
        await registered(owner, mail, address)
        attackers = [await street.address() for _ in range(20)]
        found = await statuses(log_in(attackers[number % 20][number % len(street.nodes)], address, WRONG) for number in range(100))
        assert found == {401: LOGINS_OF_STRANGERS.amount, 429: 100 - LOGINS_OF_STRANGERS.amount}
        assert (await log_in(owner, address, PASSWORD)).status == 200

    async def test_T16_many_accounts_from_one_address_are_limited_by_address(self, street: Street) -> None:
        attacker = await street.address()
        bodies = [{"email": unused(), "code": "123456"} for _ in range(200)]
        tries = (attacker[number % len(attacker)].call("POST", "/v1/auth/confirm", body) for number, body in enumerate(bodies))
        found = await statuses(tries)
        assert set(found) == {401, 429}
        assert AUTH_BY_ADDRESS.amount <= found[401] <= 2 * AUTH_BY_ADDRESS.amount  # one a second flows in meanwhile

    async def test_T16_known_and_unknown_addresses_are_limited_alike(self, street: Street, mail: MailServer) -> None:
        known, unknown = unused(), unused()
        await registered((await street.address())[0], mail, known)
        stranger = (await street.address())[0]
        seen = [[await log_in(stranger, address, WRONG) for _ in range(6)] for address in (known, unknown)]
        told = [[(one.status, one.headers["RateLimit"].split(",")[1].partition(";t=")[0]) for one in answers] for answers in seen]
        assert told[0] == told[1]


class TestAnswer:
    async def test_it_says_how_long_to_wait_and_what_is_left(self, street: Street) -> None:
        client, address = (await street.address())[0], unused()
        first = await log_in(client, address, WRONG)
        first.problem(401, "UNAUTHENTICATED")
        assert first.headers["RateLimit-Policy"] == '"auth";q=60;w=60, "login";q=5;w=60'
        assert first.headers["RateLimit"] == '"auth";r=59;t=1, "login";r=4;t=12'
        for _ in range(4):
            await log_in(client, address, WRONG)
        refused = await log_in(client, address, WRONG)
        problem = refused.problem(429, "RATE_LIMITED")
        assert (problem["code"], problem["retryable"]) == (151, True)
        assert 0 < problem["retryAfterMs"] <= 12_000
        assert refused.headers["Retry-After"] == str(-(-problem["retryAfterMs"] // 1000))
        assert '"login";r=0;t=' in refused.headers["RateLimit"]

    async def test_what_others_did_to_an_account_is_not_told(self, street: Street) -> None:
        client = (await street.address())[0]
        asked = await client.call("POST", "/v1/auth/magic", {"email": unused()})
        assert (asked.status, asked.headers["RateLimit-Policy"]) == (202, '"auth";q=60;w=60')


class TestRoutes:
    async def test_a_mailbox_gets_five_letters_whoever_asks(self, street: Street, mail: MailServer) -> None:
        address = unused()
        asks = ("magic", "password/forgot", "magic", "magic", "magic", "magic", "password/forgot")
        found = [(await (await street.address())[0].call("POST", f"/v1/auth/{ask}", {"email": address})).status for ask in asks]
        assert found == [202] * 5 + [429] * 2
        await letter_to(mail, address, 4)

    async def test_the_owner_gets_letters_though_strangers_asked_for_all(self, street: Street, mail: MailServer) -> None:
        owner, address = (await street.address())[0], unused()
        await registered(owner, mail, address)
        for _ in range(2):
            stranger = (await street.address())[0]
            found = [(await stranger.call("POST", "/v1/auth/magic", {"email": address})).status for _ in range(5)]
        assert found[-1] == 429
        assert (await owner.call("POST", "/v1/auth/magic", {"email": address})).status == 202

    async def test_a_code_is_guessed_five_times(self, street: Street) -> None:
        guesser, body = (await street.address())[0], {"email": unused(), "code": "123456"}
        found = [(await guesser.call("POST", "/v1/auth/confirm", body)).status for _ in range(7)]
        assert found == [401] * 5 + [429] * 2

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [("POST", "/v1/ws-token", {}), ("GET", "/v1/users/search?q=ada", UNSAID)],
    )
    async def test_thirty_a_minute_by_who_asks_wherever_they_are(self, street: Street, method: str, path: str, body: Any) -> None:
        places = [(await street.address())[0] for _ in range(2)]
        ada, bob = [await places[0].guest() for _ in range(2)]

        found = await statuses(places[number % 2].call(method, path, body, ada.bearer) for number in range(40))
        assert 1 <= found[429] <= 10  # one in two seconds flows in meanwhile
        assert (await places[0].call(method, path, body, bob.bearer)).status != 429

    async def test_a_login_session_is_refreshed_thirty_times_by_body_or_cookie(self, street: Street) -> None:
        client = (await street.address())[0]
        ada = await client.guest()
        asks = [client.call("POST", "/v1/auth/refresh", {"refreshToken": ada.refresh}) for _ in range(20)]
        own = {**ada.cookie, "Sec-Fetch-Site": "same-origin"}
        asks += [client.call("POST", "/v1/auth/refresh", headers=own) for _ in range(20)]
        found = await statuses(asks)
        assert 1 <= found[429] <= 10
        assert set(found) == {200, 429}

    async def test_sixty_guests_come_from_one_address(self, street: Street) -> None:
        client, elsewhere = (await street.address())[0], (await street.address())[0]
        found = await statuses(client.call("POST", "/v1/guests", {"name": "Ada"}) for _ in range(120))
        assert set(found) == {201, 429}
        assert GUESTS.amount <= found[201] < 120
        assert (await elsewhere.call("POST", "/v1/guests", {"name": "Ada"})).status == 201

    async def test_a_password_is_changed_five_times(self, street: Street, mail: MailServer) -> None:
        client = (await street.address())[0]
        ada = await registered(client, mail, unused())
        body = {"current": WRONG, "password": "a new one, longer"}
        found = [(await client.call("PUT", "/v1/me/password", body, ada.bearer)).status for _ in range(7)]
        assert found == [403] * 5 + [429] * 2


async def _forgetful(_request: web.Request) -> web.Response:
    return web.Response()


async def test_a_handler_that_forgets_its_limits_fails() -> None:
    handler = limited(Route("POST", "/", _forgetful, limits=(LOGINS,)))
    app = web.Application()
    app[SERVICES] = type("Services", (), {"limiter": Limiter(), "proxies": ()})()
    with pytest.raises(InternalError):
        await handler(make_mocked_request("POST", "/", app=app))


async def test_every_route_that_hashes_or_sends_or_tells_who_is_there_is_limited() -> None:
    limits = {route.path: route.limits for route in routes(with_docs=False)}
    public = ("register", "magic", "confirm", "login", "password/forgot", "password/reset")
    assert all(AUTH_BY_ADDRESS in limits[f"/v1/auth/{name}"] for name in public)
    others = ("/v1/auth/refresh", "/v1/ws-token", "/v1/guests", "/v1/users/search", "/v1/me/password", "/v1/me/email", "/v1/me/export")
    assert all(limits[path] for path in others)
