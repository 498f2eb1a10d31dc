"""The end of a login session: nothing of it works any more, on any node, and nothing of anybody else's ends."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from commonroom.app import Node
from commonroom.bench.target.port import free_port
from commonroom.config.settings import ClusterSettings, HttpSettings, PostgresSettings, RedisSettings, Settings
from commonroom.engine import revocation
from commonroom.engine.cluster.cluster import Cluster
from commonroom.http.auth import COOKIE
from commonroom.ids import new_id
from commonroom.protocol.session import Error
from tests.http.api import Account, Api
from tests.support.client import Peer, Refused
from tests.support.postgres import create_database
from tests.support.redis import redis_url

__all__ = ["redis_url"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOGOUT = "/v1/auth/logout"
WITHIN_S = 2.0


async def ws_token(api: Api, account: Account) -> str:
    token: str = (await api.call("POST", "/v1/ws-token", {}, account.bearer)).json["token"]
    return token


async def socket_of(api: Api, account: Account) -> Peer:
    return await Peer.open(api.url.replace("http", "ws") + "/v1/ws", await ws_token(api, account))


async def ended(peer: Peer, within_s: float = WITHIN_S) -> tuple[int | None, str | None]:
    """The close that the socket gets, in time."""
    async with asyncio.timeout(within_s):
        await peer.socket.wait_closed()
    await peer.close()
    return peer.socket.close_code, peer.socket.close_reason


async def test_W11_after_a_logout_nothing_of_the_session_works(api: Api, ada: Account) -> None:
    token = await ws_token(api, ada)
    peers = [await socket_of(api, ada) for _ in range(3)]
    answer = await api.call("POST", LOGOUT, headers=ada.bearer)
    assert (answer.status, answer.body) == (204, b"")
    for peer in peers:
        assert await ended(peer) == (4504, "the login session has ended")
    for method, path in (("GET", "/v1/me"), ("POST", LOGOUT)):
        (await api.call(method, path, headers=ada.bearer)).problem(401, "UNAUTHENTICATED")
    (await api.call("POST", "/v1/ws-token", {}, ada.bearer)).problem(401, "UNAUTHENTICATED")
    with pytest.raises(Refused) as refused:
        await Peer.open(api.url.replace("http", "ws") + "/v1/ws", token)
    assert refused.value.error.name == "UNAUTHENTICATED"


async def test_a_logout_ends_nobody_elses_session(api: Api, ada: Account, bob: Account) -> None:
    peer = await socket_of(api, bob)
    assert (await api.call("POST", LOGOUT, headers=ada.bearer)).status == 204
    await peer.request("refresh", token=await ws_token(api, bob))
    await peer.close()


async def test_a_logout_by_cookie_takes_the_cookie_away(api: Api, ada: Account) -> None:
    answer = await api.call("POST", LOGOUT, headers={**ada.cookie, "Origin": api.url})
    assert answer.status == 204
    cookie = answer.cookies[COOKIE]
    assert (cookie.value, cookie["max-age"], cookie["path"], cookie["httponly"], cookie["samesite"]) == ("", "0", "/v1/auth", True, "Lax")


async def test_another_site_cannot_log_anybody_out(api: Api, ada: Account) -> None:
    (await api.call("POST", LOGOUT, headers={**ada.cookie, "Origin": "https://evil.example"})).problem(403, "FORBIDDEN")
    (await api.call("POST", LOGOUT)).problem(401, "UNAUTHENTICATED")
    assert (await api.call("GET", "/v1/me", headers=ada.bearer)).status == 200


async def test_a_name_outlives_the_session(api: Api, ada: Account, bob: Account) -> None:
    room = await api.room(ada)
    peer = await socket_of(api, ada)
    await peer.request("room.join", room=room)
    await peer.request("message.send", room=room, text="goodbye", nonce="nonce-0001")
    await peer.close()
    assert (await api.call("POST", LOGOUT, headers=ada.bearer)).status == 204
    (message,) = (await api.call("GET", f"/v1/rooms/{room}/messages", headers=bob.bearer)).json["messages"]
    assert (message["text"], message["author"]["name"]) == ("goodbye", "Ada")


@pytest.fixture
def neighbourhood() -> Iterator[Path]:
    """A folder for the sockets by which the nodes of a machine know each other."""
    path = Path(tempfile.mkdtemp(prefix="cr-logout-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(params=["bus", "table"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the other node hears of it: the other way is closed."""
    if request.param == "bus":
        monkeypatch.setattr(revocation, "TICK_S", 3600.0)
    else:
        monkeypatch.setattr(revocation, "DOUBT_MS", 3_600_000)
        monkeypatch.setattr(Cluster, "revoked", lambda _cluster, _ended: None)
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def pair(way: str, dsn: str, redis_url: str, neighbourhood: Path) -> AsyncIterator[tuple[Api, Api]]:
    """Two nodes of one cluster, in this process, over a database and a cluster name of their own."""
    del way  # closed before they start
    name = f"pair{new_id(1)}"
    own = dsn.rpartition("/")[2].partition("?")[0]
    url = await create_database(dsn.replace(f"/{own}?", "/commonroom?"), name)
    async with AsyncExitStack() as parts:
        session = await parts.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        apis = []
        for _ in range(2):
            node = Node(
                Settings(
                    http=HttpSettings(port=0, metrics_port=free_port()),
                    postgres=PostgresSettings(url=url, pool_size=3),
                    redis=RedisSettings(url=redis_url, cluster=name),
                    cluster=ClusterSettings(ttl_s=2.0, beat_s=0.2, socket_dir=str(neighbourhood), drain_s=0.0),
                )
            )
            await node.open()
            parts.push_async_callback(node.close)
            apis.append(Api(node, session))
        yield apis[0], apis[1]
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def test_W11_a_logout_closes_the_sockets_of_the_session_on_every_node(pair: tuple[Api, Api]) -> None:
    here, there = pair
    ada, bob = await here.guest("Ada"), await there.guest("Bob")
    token = await ws_token(there, ada)
    peers = [await socket_of(api, ada) for api in (here, there, there)]
    stays = await socket_of(there, bob)
    assert (await here.call("POST", LOGOUT, headers=ada.bearer)).status == 204
    for peer in peers:
        assert await ended(peer) == (4504, "the login session has ended")
    with pytest.raises(Refused) as refused:
        await Peer.open(there.url.replace("http", "ws") + "/v1/ws", token)
    assert isinstance(refused.value.error, Error)
    assert refused.value.error.name == "UNAUTHENTICATED"
    (await there.call("GET", "/v1/me", headers=ada.bearer)).problem(401, "UNAUTHENTICATED")
    await stays.request("refresh", token=await ws_token(there, bob))
    await stays.close()
