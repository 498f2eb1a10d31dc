"""RELIABILITY S9: what a server in production shows to whoever asks: no metrics, no documents, no admin, no versions, no echo."""

import re
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import pytest
import pytest_asyncio

from commonroom import __version__
from commonroom.app import Node
from commonroom.bench.target.port import free_port
from commonroom.config.settings import HttpSettings, LimitSettings, PostgresSettings, Settings
from commonroom.http.application import routes
from tests.http.api import Account, Api
from tests.support.process import LOOPBACK, listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRIVATE: Final = (
    "/metrics", "/v1/metrics", "/debug", "/debug/pprof", "/debug/vars", "/_debug", "/console", "/docs", "/openapi.json", "/openapi.yaml",
    "/swagger.json",
    "/swagger", "/redoc", "/admin", "/v1/admin", "/v1/admin/cluster", "/v1/echo", "/echo", "/status", "/server-status", "/version",
    "/v1/version", "/env",
    "/actuator", "/.env", "/.git/config", "/config", "/healthz/", "/readyz/details", "/static/", "/assets/", "/assets/../app.py",
    "/v1/debug", "/graphql",
)  # fmt: skip
"""What an operator's tools show elsewhere. `/admin` is the page, which shows nothing by itself."""

PAGES: Final = frozenset({"/admin"})
VERSIONS: Final = re.compile(rb"\d+\.\d+\.\d+|[Pp]ython|aiohttp|PostgreSQL|postgres|asyncpg|uvloop|redis|/tmp/|127\.0\.0\.1|localhost")
"""Versions, software, addresses and paths of the server."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def production(own_dsn: str) -> AsyncIterator[Node]:
    http = HttpSettings(port=free_port(), metrics_port=free_port(), public_url="https://rooms.example")
    node = Node(Settings(http=http, postgres=PostgresSettings(url=own_dsn, pool_size=3), limits=LimitSettings(scale=1000)))
    await node.open()
    yield node
    await node.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def public(production: Node) -> AsyncIterator[Api]:
    """Its public port."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        api = Api(production, session)
        api.url = f"http://127.0.0.1:{production.settings.http.port}"
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guest(public: Api) -> Account:
    return await public.guest()


@pytest.mark.parametrize("path", PRIVATE)
async def test_S9_nothing_that_is_the_operator_s_is_public(public: Api, guest: Account, path: str) -> None:
    for headers in ({}, guest.bearer, {"X-Forwarded-For": "127.0.0.1"}, {"Host": "localhost"}):
        answer = await public.call("GET", path, headers=headers)
        assert answer.status in ({200, 404} if path in PAGES else {400, 401, 403, 404})
        assert not VERSIONS.search(answer.body if answer.status != 200 else b"")
        assert b"commonroom_" not in answer.body


async def test_S9_admins_routes_are_closed_to_everybody_else(public: Api, guest: Account) -> None:
    of_admins = [route for route in routes(with_docs=False) if route.path.startswith("/v1/admin")]
    assert of_admins
    for route in of_admins:
        path = re.sub(r"\{\w+\}", "0" * 26, route.path)
        assert (await public.call(route.method, path)).status == 401
        assert (await public.call(route.method, path, headers=guest.bearer)).status == 403


@pytest.mark.parametrize("path", ["/healthz", "/health", "/readyz"])
async def test_S9_health_tells_that_it_is_well_and_nothing_else(public: Api, path: str) -> None:
    answer = await public.call("GET", path)
    assert (answer.status, set(answer.json) - {"reasons"}) == (200, {"status"})
    assert answer.json.get("reasons", []) == []
    assert not VERSIONS.search(answer.body)


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/me", "/no/such/path", "/v1/rooms", "/v1/ws"])
async def test_S9_no_header_names_software_or_its_version(public: Api, path: str) -> None:
    answer = await public.call("GET", path)
    told = "\n".join(f"{name}: {value}" for name, value in answer.headers.items() if name not in {"Date", "X-Request-Id", "ETag"})
    assert not VERSIONS.search(told.encode())
    assert __version__ not in told
    assert {"X-Powered-By", "Via"}.isdisjoint(answer.headers)


async def test_S9_metrics_listen_on_loopback_alone_and_nothing_echoes(production: Node) -> None:
    http = production.settings.http
    assert listening(http.metrics_port) == {LOOPBACK}
    assert production.settings.gateway.echo_port == 0


async def test_S9_whose_port_is_that_of_metrics_names_no_version_either(production: Node, public: Api) -> None:
    http = production.settings.http
    for path in ("/metrics", "/", "/v1/rooms"):
        answer = await public.call("GET", path, url=f"http://{http.metrics_host}:{http.metrics_port}")
        assert answer.headers["Server"] == "Commonroom"
