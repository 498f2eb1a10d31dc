"""The end of a login session: nothing of it works any more, on any node, and nothing of anybody else's ends.

And what an admin imposes, which holds on every node as soon: it comes by the same ways.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from commonroom.app import Node
from commonroom.bench.target.port import free_port
from commonroom.config.settings import ClusterSettings, HttpSettings, LimitSettings, MailSettings, PostgresSettings, RedisSettings, Settings
from commonroom.engine import notice, revocation
from commonroom.engine.cluster.cluster import Cluster
from commonroom.engine.notice import Notices
from commonroom.engine.revocation import Revocations
from commonroom.http.auth import COOKIE
from commonroom.ids import new_id
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.presence import PresenceReset
from commonroom.protocol.session import Skip
from tests.http.account import PASSWORD, log_in, registered, unused
from tests.http.admin import admin_of
from tests.http.api import UNSAID, Account, Api, account_of
from tests.support.client import Peer, Refused, until
from tests.support.mail import MailServer
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


async def test_all_others_end_and_the_session_that_asks_goes_on(api: Api, mail: MailServer) -> None:
    address = unused()
    mine = await registered(api, mail, address)
    others = [account_of(await log_in(api, address)) for _ in range(2)]
    answer = await api.call("POST", f"{LOGOUT}-others", headers=mine.bearer)
    assert (answer.status, answer.body, COOKIE in answer.cookies) == (204, b"", False)
    (place,) = (await api.call("GET", "/v1/me/sessions", headers=mine.bearer)).json["sessions"]
    assert (place["sessionId"], place["here"]) == (mine.sid, True)
    assert (await api.call("POST", "/v1/auth/refresh", headers={**mine.cookie, "Origin": api.url})).status == 200
    for other in others:
        (await api.call("GET", "/v1/me", headers=other.bearer)).problem(401, "UNAUTHENTICATED")
        (await api.call("POST", "/v1/auth/refresh", headers={**other.cookie, "Origin": api.url})).problem(401, "UNAUTHENTICATED")


async def test_a_guests_token_from_before_the_sign_in_ends_no_session_of_the_user(api: Api, mail: MailServer, ada: Account) -> None:
    address = unused()
    user = await registered(api, mail, address, ada.bearer)
    other = account_of(await log_in(api, address))
    (await api.call("POST", f"{LOGOUT}-others", headers=ada.bearer)).problem(401, "TOKEN_EXPIRED")
    for account in (user, other):
        assert (await api.call("GET", "/v1/me", headers=account.bearer)).status == 200


@pytest.fixture(scope="module")
def neighbourhood() -> Iterator[Path]:
    """A folder for the sockets by which the nodes of a machine know each other."""
    path = Path(tempfile.mkdtemp(prefix="cr-logout-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def _nothing(_revocations: Revocations) -> None:
    """Nothing is read."""


@pytest.fixture(params=["bus", "table"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the other node hears of it: the other way is closed."""
    if request.param == "bus":
        monkeypatch.setattr(Revocations, "_try_to_read", _nothing)
    else:
        monkeypatch.setattr(revocation, "REREAD_MS", 0)
        monkeypatch.setattr(Cluster, "revoked", lambda _cluster, _ended: None)
    return str(request.param)


def settings(url: str, redis: RedisSettings, smtp_url: str, neighbourhood: Path) -> Settings:
    """Of a node of one cluster."""
    return Settings(
        http=HttpSettings(port=0, metrics_port=free_port()),
        postgres=PostgresSettings(url=url, pool_size=3),
        redis=redis,
        mail=MailSettings(smtp_url=smtp_url, sender="Commonroom <rooms@example.org>"),
        cluster=ClusterSettings(ttl_s=2.0, beat_s=0.2, socket_dir=str(neighbourhood), drain_s=0.0),
        limits=LimitSettings(scale=1000),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trio(dsn: str, redis_url: str, neighbourhood: Path, mail: MailServer) -> AsyncIterator[list[Api]]:
    """Three nodes of one cluster, in this process, over a database and a cluster name of their own."""
    name = f"trio{new_id(1)}"
    own = dsn.rpartition("/")[2].partition("?")[0]
    url = await create_database(dsn.replace(f"/{own}?", "/commonroom?"), name)
    async with AsyncExitStack() as parts:
        session = await parts.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        nodes = [Node(settings(url, RedisSettings(url=redis_url, cluster=name), mail.url, neighbourhood)) for _ in range(3)]
        await nodes[0].open()
        await asyncio.gather(*(node.open() for node in nodes[1:]))
        yield [Api(node, session) for node in nodes]
        await asyncio.gather(*(node.close() for node in nodes))
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


End = Callable[[Account, Account], tuple[str, str, Any, Account]]

ENDS: dict[str, End] = {
    "logout": lambda _mine, victim: ("POST", LOGOUT, UNSAID, victim),
    "logout everywhere": lambda mine, _victim: ("POST", f"{LOGOUT}-all", UNSAID, mine),
    "logout of the others": lambda mine, _victim: ("POST", f"{LOGOUT}-others", UNSAID, mine),
    "ended from elsewhere": lambda mine, victim: ("DELETE", f"/v1/me/sessions/{victim.sid}", UNSAID, mine),
    "new password": lambda mine, _victim: ("PUT", "/v1/me/password", {"current": PASSWORD, "password": "a new one, longer"}, mine),
    "deleted account": lambda mine, _victim: ("DELETE", "/v1/me", UNSAID, mine),
}
"""What a user who is signed in twice can do, by the first session or the second, that ends the second."""


async def closes_on_all(nodes: list[Api], mail: MailServer, request_of: End) -> None:
    here, _, there = nodes
    address = unused()
    mine, victim = await registered(here, mail, address), account_of(await log_in(there, address))
    token = await ws_token(there, victim)
    peers = [await socket_of(api, victim) for api in nodes]
    method, path, body, by = request_of(mine, victim)
    assert (await here.call(method, path, body, by.bearer)).status in {200, 204}
    for peer in peers:
        assert await ended(peer) == (4504, "the login session has ended")
    for api in nodes:
        with pytest.raises(Refused) as refused:
            await Peer.open(api.url.replace("http", "ws") + "/v1/ws", token)
        assert refused.value.error.name == "UNAUTHENTICATED"
        (await api.call("GET", "/v1/me", headers=victim.bearer)).problem(401, "UNAUTHENTICATED")


@pytest.mark.usefixtures("way")
async def test_W11_however_a_session_ends_its_sockets_close_on_all_three_nodes(trio: list[Api], mail: MailServer) -> None:
    there = trio[2]
    bob = await there.guest("Bob")
    stays = await socket_of(there, bob)
    await asyncio.gather(*(closes_on_all(trio, mail, request_of) for request_of in ENDS.values()))
    await stays.request("refresh", token=await ws_token(there, bob))
    await stays.close()


@pytest.fixture(params=["bus", "table"])
def word(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the other nodes hear of what an admin imposes: the other way is closed."""
    if request.param == "bus":
        monkeypatch.setattr(Notices, "_tell_of_gap", lambda _notices: None)
    else:
        monkeypatch.setattr(notice, "REREAD_MS", 0)
        monkeypatch.setattr(Cluster, "notify", lambda _cluster, _topic, _keys: None)
    return str(request.param)


async def outcome(peer: Peer, name: str, **fields: Any) -> str:
    """What comes of a command."""
    try:
        await peer.request(name, **fields)
    except Refused as refused:
        return refused.error.name
    return "done"


async def becomes(peer: Peer, room: str, wanted: str) -> None:
    """To type ends like that, in time."""
    async with asyncio.timeout(WITHIN_S):
        while await outcome(peer, "typing.start", room=room) != wanted:
            await asyncio.sleep(0.1)


async def say(peer: Peer, room: str, text: str) -> str:
    return await outcome(peer, "message.send", room=room, text=text, nonce=new_id(0))


@pytest.mark.usefixtures("way", "word")
async def test_W11_a_ban_closes_sockets_and_doors_on_all_three_nodes(trio: list[Api], mail: MailServer) -> None:
    here, _, there = trio
    address = unused()
    admin, victim = await admin_of(here, mail), await registered(there, mail, address)
    peers = [await socket_of(api, victim) for api in trio]
    ban = {"who": f"user:{victim.principal['actorId']}", "kind": "ban", "reason": "enough"}
    assert (await here.call("POST", "/v1/admin/sanctions", ban, admin.bearer)).status == 201
    for peer in peers:
        assert await ended(peer) == (4504, "the login session has ended")
    for api in trio:
        assert (await log_in(api, address)).problem(403, "FORBIDDEN")["reason"] == "enough"


@pytest.mark.usefixtures("word")
async def test_C9_a_mute_and_a_shadow_hold_on_live_sockets_of_all_three_nodes(trio: list[Api], mail: MailServer) -> None:
    here, near, there = trio
    admin, ada, bob = await admin_of(here, mail), await there.guest("Ada"), await near.guest("Bob")
    room = await here.room(bob)
    speakers, reader = [await socket_of(api, ada) for api in trio], await socket_of(near, bob)
    for peer in (*speakers, reader):
        await peer.request("room.join", room=room)
    path, wanted = "/v1/admin/sanctions", {"who": f"guest:{ada.sid}", "reason": "enough"}
    mute = await here.call("POST", path, {**wanted, "kind": "mute"}, admin.bearer)
    assert mute.status == 201, mute.body
    await asyncio.gather(*(becomes(peer, room, "FORBIDDEN") for peer in speakers))
    assert {await say(peer, room, "heard by nobody") for peer in speakers} == {"FORBIDDEN"}
    assert (await near.call("DELETE", f"{path}/{mute.json['id']}", headers=admin.bearer)).status == 204
    await asyncio.gather(*(becomes(peer, room, "done") for peer in speakers))
    assert (await near.call("POST", path, {**wanted, "kind": "shadow"}, admin.bearer)).status == 201
    await asyncio.gather(*(until(lambda api=api: ada.sid in api.node._engine.sanctions._by_actor, "the shadow", WITHIN_S) for api in trio))  # type: ignore[misc]
    for peer in speakers:
        assert await say(peer, room, "unseen") == "done"
    assert await say(reader, room, "anybody?") == "done"
    for peer in (*speakers, reader):
        await until(lambda peer=peer: "anybody?" in heard_by(peer, room), "what is said last")  # type: ignore[misc]
    assert [heard_by(peer, room).count("unseen") for peer in (*speakers, reader)] == [3, 3, 3, 0]
    for peer in (*speakers, reader):
        await peer.close()


def heard_by(peer: Peer, room: str) -> list[str]:
    return [push.text for push in peer.pushes(room, MessageCreate)]


@pytest.mark.usefixtures("word")
async def test_A8_a_block_holds_on_live_sockets_of_all_three_nodes_in_both_directions(trio: list[Api], mail: MailServer) -> None:
    here, near, there = trio
    ada, bob = await registered(here, mail, unused()), await there.guest("Bob")
    room = await here.room(bob)
    of_ada, of_bob = [[await socket_of(api, one) for api in trio] for one in (ada, bob)]
    everybody = [*of_ada, *of_bob]
    for peer in everybody:
        await peer.request("room.join", room=room)

    async def changed(method: str, people: int) -> None:
        """Everybody knows, in time, how many they see."""
        assert (await near.call(method, f"/v1/blocks/guest:{bob.sid}", headers=ada.bearer)).status == 204
        for peer in everybody:
            await until(lambda peer=peer: count_of(peer, room) == people, "who is here", WITHIN_S)  # type: ignore[misc]

    await changed("PUT", 1)
    assert {await say(peer, room, "of Ada") for peer in of_ada} | {await say(peer, room, "of Bob") for peer in of_bob} == {"done"}
    for peer in everybody:
        await until(lambda peer=peer: len(heard_by(peer, room)) + len(peer.pushes(room, Skip)) == 6, "all")  # type: ignore[misc]
    assert {tuple(heard_by(peer, room)) for peer in of_ada} == {("of Ada",) * 3}
    assert {tuple(heard_by(peer, room)) for peer in of_bob} == {("of Bob",) * 3}
    await changed("DELETE", 2)
    assert await say(of_ada[0], room, "for all") == "done"
    for peer in everybody:
        await until(lambda peer=peer: heard_by(peer, room)[-1] == "for all", "what is said last")  # type: ignore[misc]
        assert len(heard_by(peer, room)) == 4, "nothing of what was hidden comes by itself"
        await peer.close()


def count_of(peer: Peer, room: str) -> int:
    """How many the last snapshot told."""
    resets = peer.pushes(room, PresenceReset)
    return resets[-1].presence.count if resets else 0
