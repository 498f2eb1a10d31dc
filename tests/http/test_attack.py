"""Attacks on sockets and caches that need a whole node: cookies, logs, replays, lost access, what a cache could keep."""

import asyncio
import io
import re
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from commonroom.app import Node
from commonroom.app.keys import Keys
from commonroom.codes import CloseCode
from commonroom.http.application import routes
from commonroom.http.route import Route
from commonroom.identity import Authority, Principal, RoomGrant, SessionId
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import JSON, JSON_PROTOCOL, MSGPACK, MSGPACK_PROTOCOL
from commonroom.protocol.room import Joined, RoomCreate, RoomJoin, RoomReset
from commonroom.protocol.session import Hello, Reply
from commonroom.protocol.wire import ServerMessage
from commonroom.storage.repository.signing_key import SigningKeys
from commonroom.token import PrincipalTokens
from tests.http.api import UNSAID, Account, Api
from tests.http.test_socket import UPGRADE, Wire
from tests.support.client import Peer, Refused, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def socket_url(api: Api) -> str:
    return api.url.replace("http", "ws") + "/v1/ws"


def bare(api: Api, subprotocol: str = MSGPACK_PROTOCOL, **more: Any) -> connect:
    """A socket that has said nothing."""
    return connect(socket_url(api), subprotocols=[Subprotocol(subprotocol)], **more)


async def ws_token(api: Api, account: Account) -> str:
    token: str = (await api.call("POST", "/v1/ws-token", {}, account.bearer)).json["token"]
    return token


class TestCookie:
    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "null",
            "https://friend.example.evil.com",
            "https://evilfriend.example",
            "https://FRIEND.example",
            "https://friend.example:444",
            "http://friend.example",
        ],
    )
    async def test_W1_another_site_gets_no_socket_with_the_cookie_of_a_victim(self, api: Api, ada: Account, origin: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await bare(api, origin=Origin(origin), additional_headers=ada.cookie)
        assert refused.value.response.status_code == 403

    async def test_W1_a_listed_site_still_has_to_say_hello(self, api: Api, ada: Account) -> None:
        listed = Origin("https://friend.example")
        async with connect(
            socket_url(api), origin=listed, additional_headers=ada.cookie, subprotocols=[Subprotocol(MSGPACK_PROTOCOL)]
        ) as one:
            await one.send(MSGPACK.encode(RoomCreate(1, "a-room", "nonce-0001", "study", "Mine")))
            with pytest.raises(ConnectionClosed):
                await one.recv()
            assert one.close_code == CloseCode.OUT_OF_ORDER

    @pytest.mark.parametrize("said", ["", "refresh", "access"])
    async def test_W1_without_an_origin_only_a_ws_token_opens_a_socket(self, api: Api, ada: Account, said: str) -> None:
        """Neither the cookie that came along nor what is in it: the token of `hello` alone."""
        token = {"": "", "refresh": ada.refresh, "access": ada.access}[said]
        async with bare(api, additional_headers=ada.cookie) as one:
            await one.send(MSGPACK.encode(Hello(1, token)))
            await one.wait_closed()
            assert one.close_code in {CloseCode.UNAUTHENTICATED, CloseCode.BAD_FRAME}


class TestTokenInTheAddress:
    async def test_W2_a_token_in_the_query_or_the_subprotocol_is_in_no_log_and_no_metric(
        self, api: Api, node: Node, ada: Account, log: io.StringIO
    ) -> None:
        token = await ws_token(api, ada)
        answered = b""
        for kept in (False, True):
            for path, subprotocol in (
                (f"/v1/ws?token={token}", MSGPACK_PROTOCOL),
                (f"/v1/ws/a-room?access_token={token}", MSGPACK_PROTOCOL),
                ("/v1/ws", f"{MSGPACK_PROTOCOL}, {token}"),
                ("/v1/ws", token),
                (f"/v1/me?access_token={token}", MSGPACK_PROTOCOL),
                (f"/no/such/route?token={token}", MSGPACK_PROTOCOL),
            ):
                answered += await handshake(api, path, subprotocol, kept=kept)
        statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answered)
        assert statuses == [b"400", b"400", b"101", b"400", b"401", b"404"] * 2
        http = node.settings.http
        metrics = (await api.call("GET", "/metrics", url=f"http://{http.metrics_host}:{http.metrics_port}")).body
        assert b"commonroom_gateway_" in metrics
        written = log.getvalue()
        assert "/v1/me" in written
        for part in (token, token.rpartition(".")[2]):
            assert part not in written
            assert part.encode() not in metrics
            assert part.encode() not in answered


async def handshake(api: Api, path: str, subprotocol: str, *, kept: bool) -> bytes:
    """The answer's head and what follows it at once; `kept`: on a connection that has served a request."""
    wire = await Wire.open(api.url)
    if kept:
        await wire.get("/healthz")
    wire.send(UPGRADE.replace("/v1/ws", path).replace(MSGPACK_PROTOCOL, subprotocol) + "\r\n")
    answered = await wire.head()
    await wire.close()
    return answered


class TestReplay:
    async def test_W13_a_frame_sent_again_on_another_socket_or_after_a_reconnect_counts_once(self, api: Api, ada: Account) -> None:
        room = await api.room(ada)
        frame = MSGPACK.encode(MessageSend(9, room, "once", "nonce-0001"))
        answers = []
        first = await Peer.open(socket_url(api), await ws_token(api, ada))
        second = await Peer.open(socket_url(api), await ws_token(api, ada))
        for peer in (first, second):
            await peer.request("room.join", room=room)
            answers.append(await replayed(peer, frame))
        await first.close()
        again = await Peer.open(socket_url(api), await ws_token(api, ada))
        await again.request("room.join", room=room)
        answers.append(await replayed(again, frame))
        assert len({answer.offset for answer in answers}) == 1
        assert [one["text"] for one in await history(api, ada, room)] == ["once"]
        for peer in (second, again):
            await peer.close()

    async def test_W13_a_frame_of_somebody_else_is_ones_own_word(self, api: Api, ada: Account, bob: Account) -> None:
        room = await api.room(ada)
        frame = MSGPACK.encode(MessageSend(9, room, "me too", "nonce-0001"))
        for account in (ada, bob):
            peer = await Peer.open(socket_url(api), await ws_token(api, account))
            await peer.request("room.join", room=room)
            await replayed(peer, frame)
            await peer.close()
        assert [one["author"]["actorId"] for one in await history(api, ada, room)] == [ada.sid, bob.sid]

    @pytest.mark.parametrize("subprotocol", [MSGPACK_PROTOCOL, JSON_PROTOCOL])
    async def test_W13_the_sender_is_the_session_s_whatever_the_payload_says(
        self, api: Api, ada: Account, bob: Account, subprotocol: str
    ) -> None:
        room = await api.room(ada)
        codec = MSGPACK if subprotocol == MSGPACK_PROTOCOL else JSON
        plain = MessageSend(9, room, "it was Ada", "nonce-0001")
        forged = list(msgspec.json.decode(JSON.encode(plain)))
        forged += [["guest", ada.sid], {"sender_id": ada.sid, "author": ["guest", ada.sid]}]
        encode = msgspec.msgpack.encode if codec is MSGPACK else msgspec.json.encode
        hello, join = Hello(1, await ws_token(api, bob)), RoomJoin(2, room)
        async with bare(api, subprotocol) as one:
            for sent in (codec.encode(hello), codec.encode(join), encode(forged)):
                await one.send(sent.decode() if codec.text else sent)
            while not isinstance(codec.decode_server(as_bytes(await one.recv())), MessageCreate):
                pass
        assert [one["author"]["actorId"] for one in await history(api, ada, room)] == [bob.sid]

    async def test_W13_a_request_sent_again_makes_one_room_and_the_founder_is_who_asked(self, api: Api, ada: Account, bob: Account) -> None:
        key = {"Idempotency-Key": "key-0001-of-a-test"}
        bodies = [{"title": "Den"}, {"title": "Den", "created_by": bob.sid, "sender_id": bob.sid}]
        made = [await api.call("POST", "/v1/rooms", body, ada.bearer | key) for body in (bodies[0], bodies[0])]
        assert len({one.json["id"] for one in made}) == 1
        other = await api.call("POST", "/v1/rooms", bodies[0], bob.bearer | key)
        assert other.json["id"] != made[0].json["id"]
        (await api.call("POST", "/v1/rooms", bodies[1], ada.bearer)).problem(422, "INVALID")


def as_bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


async def replayed(peer: Peer, frame: bytes) -> Reply:
    """The answer to exactly these bytes, whose ref is 9."""
    answer: asyncio.Future[ServerMessage] = asyncio.get_running_loop().create_future()
    peer._waiting[9] = answer
    await peer.socket.send(frame)
    reply = await asyncio.wait_for(answer, 10)
    assert isinstance(reply, Reply)
    return reply


async def history(api: Api, account: Account, room: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await api.call("GET", f"/v1/rooms/{room}/messages", headers=account.bearer)).json["messages"]
    return messages


async def invited(node: Node, guest: Account, room: str) -> str:
    """A ws token bound to a room that its owner may not see without."""
    keys = Keys(SigningKeys(node._storage.database), node._clock)
    await keys.open()
    who = Authority(Principal("guest", guest.sid), SessionId(guest.sid), "Bob", 0)
    minted = PrincipalTokens("ws", keys.ring, node._clock).mint(who, RoomGrant(room, guest.sid, "participant"))
    await keys.close()
    return minted.token


class TestLostAccess:
    async def test_W12_who_lost_a_private_room_reads_and_changes_nothing_of_it(
        self, api: Api, node: Node, ada: Account, bob: Account
    ) -> None:
        room = await api.room(ada, visibility="private")
        peer = await Peer.open(socket_url(api), await invited(node, bob, room))
        joined = await peer.request("room.join", room=room)
        assert isinstance(joined, Joined)
        mine = await peer.request("message.send", room=room, text="mine", nonce="nonce-0001")
        assert isinstance(mine, Reply)
        await peer.request("refresh", token=await ws_token(api, bob))
        await until(lambda: peer.pushes(room, RoomReset), "the end of the subscription")
        host = await Peer.open(socket_url(api), await ws_token(api, ada))
        await host.request("room.join", room=room)
        await host.request("message.send", room=room, text="he is out", nonce="nonce-0002")
        for name, fields in (
            ("room.join", {}),
            ("room.join", {"resume": joined.position}),
            ("message.edit", {"message": mine.offset, "text": "changed", "nonce": "nonce-0003"}),
            ("message.delete", {"message": mine.offset, "nonce": "nonce-0004"}),
            ("message.send", {"text": "in again", "nonce": "nonce-0005"}),
            ("typing.start", {}),
        ):
            with pytest.raises(Refused) as refused:
                await peer.request(name, room=room, **fields)
            assert refused.value.error.name in {"NOT_FOUND", "NOT_JOINED"}
        for method, path, body in (
            ("GET", f"/v1/rooms/{room}", UNSAID),
            ("GET", f"/v1/rooms/{room}/messages", UNSAID),
            ("GET", f"/v1/rooms/{room}/messages?before={mine.offset + 1}", UNSAID),
            ("POST", "/v1/ws-token", {"roomId": room}),
        ):
            (await api.call(method, path, body, bob.bearer)).problem(404, "NOT_FOUND")
        assert [one["text"] for one in await history(api, ada, room)] == ["mine", "he is out"]
        assert [one.text for one in peer.pushes(room, MessageCreate)] == ["mine"]
        for one in (peer, host):
            await one.close()


GETS = [route for route in routes(with_docs=True) if route.method == "GET" and not route.path.startswith("/v1/ws")]
"""Every route that is read."""


class TestCaches:
    async def test_S10_the_routes_are_all_there(self) -> None:
        assert {"/v1/me", "/v1/rooms/{room}", "/v1/rooms/{room}/messages", "/v1/users/search"} <= {route.path for route in GETS}

    @pytest.mark.parametrize("route", GETS, ids=lambda route: route.path)
    async def test_S10_what_depends_on_who_asks_is_kept_by_no_cache(
        self, api: Api, ada: Account, bob: Account, uma: Account, route: Route
    ) -> None:
        room = await api.room(ada, visibility="private")
        path = route.path.replace("{room}", room)
        path = re.sub(r"\{\w+\}", "github", path) + ("?q=ada" if path.endswith("search") else "")
        answers = [await api.call("GET", path, headers=headers) for headers in (ada.bearer, bob.bearer, uma.bearer, ada.cookie, {})]
        assert all(answer.status < 500 for answer in answers)
        personal = route.signed_in or any(answer.status >= 400 for answer in answers)
        for answer in answers:
            if personal or answer.cookies:
                assert answer.headers["Cache-Control"] == "no-store"
                assert "ETag" not in answer.headers
                assert "Last-Modified" not in answer.headers
            assert "public" not in answer.headers["Cache-Control"]

    async def test_S10_two_people_at_one_address_see_each_their_own(self, api: Api, ada: Account, bob: Account) -> None:
        for _ in range(2):
            for account in (ada, bob):
                answer = await api.call("GET", "/v1/me", headers=account.bearer | {"If-None-Match": "*"})
                assert (answer.status, answer.json["sessionId"]) == (200, account.sid)
                assert answer.headers["Cache-Control"] == "no-store"
