"""The common port under people who take too many connections, or too much time: a real gateway and aiohttp behind it, time by hand."""

import asyncio
import re
import socket as sockets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from structlog.testing import capture_logs

from commonroom.config.settings import HttpSettings
from commonroom.http import connection as http_connection
from commonroom.http.assets import ASSETS, Assets
from commonroom.http.body import Body, answer, read
from commonroom.http.connection import Connection, Connections, owed_bytes
from commonroom.http.middleware import MIDDLEWARES
from commonroom.http.routes import socket as socket_route
from commonroom.http.services import SERVICES
from commonroom.protocol.session import Hello, Welcome
from tests.gateway.rig import Rig, until
from tests.gateway.socket import RawSocket, closing
from tests.support.log import logged

HOST = b"Host: room.example\r\n"
QUICK = b"GET /quick HTTP/1.1\r\n" + HOST + b"\r\n"
BIG_BYTES = 8 * 2**20


class Note(Body, frozen=True):
    text: str


class Edge:
    """A rig whose HTTP side is ours."""

    def __init__(self, rig: Rig, connections: Connections) -> None:
        self.rig = rig
        self.places = rig.gateway.places
        self.connections = connections

    async def kept(self, source: str = "127.0.0.1") -> RawSocket:
        """A connection that has been answered and is kept."""
        socket = await self.rig.socket(source)
        assert await get(socket) == (200, True)
        return socket


async def get(socket: RawSocket, request: bytes = QUICK) -> tuple[int, bool]:
    """Status, and whether the connection is kept."""
    socket.send(request)
    head = await socket.head()
    found = re.search(rb"Content-Length: (\d+)", head)
    assert found is not None
    await socket.reader.readexactly(int(found[1]))
    return int(head.split(b" ", 2)[1]), b"Connection: close" not in head


MakeEdge = Callable[..., Awaitable[Edge]]


@pytest_asyncio.fixture
async def make_edge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeEdge]:
    monkeypatch.setattr(http_connection, "LINGER_S", 0.1)
    edges: list[tuple[Edge, web.AppRunner]] = []

    async def make(**settings: Any) -> Edge:
        http = HttpSettings(port=0, **settings)
        rig = await Rig.start(http, steer=None, close_timeout_s=1.0, max_connections=1000)
        app = web.Application(middlewares=MIDDLEWARES)
        app[SERVICES] = SimpleNamespace(settings=http, adopt=rig.gateway.adopt)  # type: ignore[misc] # all that these routes ask for
        app[ASSETS] = Assets()
        app.router.add_get("/quick", quick)
        app.router.add_get("/big", big)
        app.router.add_post("/note", note)
        app.router.add_post("/unread", quick)
        app.router.add_get("/v1/ws", socket_route.upgrade)
        runner = web.AppRunner(app, handle_signals=False, access_log=None)
        await runner.setup()
        assert runner.server is not None
        connections = Connections(runner.server, http, rig.gateway)
        rig.http_protocol = connections
        edges.append((Edge(rig, connections), runner))
        return edges[-1][0]

    yield make
    for edge, runner in edges:
        await edge.rig.close()
        await runner.cleanup()


async def quick(_request: web.Request) -> web.Response:
    return web.Response(text="quick")


async def big(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(BIG_BYTES))


async def note(request: web.Request) -> web.Response:
    return answer({"text": (await read(request, Note)).text})


def reset(socket: RawSocket) -> None:
    """End it as a crash does."""
    raw = socket.writer.get_extra_info("socket")
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    socket.abort()


class TestPlaces:
    CAP = 10

    async def test_W5_one_address_takes_no_more_than_its_cap_and_gives_all_back_twenty_times(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(connections_per_address=self.CAP, uncounted_networks=())
        rig, places = edge.rig, edge.places
        for turn in range(20):
            greedy = [await rig.socket("127.0.0.9") for _ in range(self.CAP + 50)]
            await until(lambda: places.taken("127.0.0.9") == 2 * self.CAP)
            refused = greedy[self.CAP : 2 * self.CAP]
            assert {await one.status() for one in refused} == {429}
            for dropped in greedy[2 * self.CAP :]:
                assert await ended(dropped)
            for number, one in enumerate(greedy[: self.CAP]):
                await (one.upgrade() if number % 3 else get(one))
            other = await rig.socket("127.0.0.10")
            await other.upgrade()
            other.command(Hello(1, "other"))
            assert isinstance(await other.message(), Welcome)
            for number, one in enumerate([*greedy, other]):
                (reset, RawSocket.abort, cut_in_a_frame, say_goodbye)[(number + turn) % 4](one)
            await until(lambda: not len(places))
            rig.sockets.clear()
        assert rig.gateway.stats.connections == rig.gateway.waiting == len(edge.connections.live) == 0
        assert rig.gateway.stats.refusals == {429: 20 * self.CAP}

    async def test_W5_a_place_is_kept_when_a_kept_connection_becomes_a_socket(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(connections_per_address=1, uncounted_networks=())
        one = await edge.kept("127.0.0.9")
        await one.upgrade()
        assert edge.places.taken("127.0.0.9") == 1
        assert not edge.connections.live
        second = await edge.rig.socket("127.0.0.9")
        assert await second.status() == 429
        for socket in (one, second):
            reset(socket)
        await until(lambda: not len(edge.places))
        await edge.kept("127.0.0.9")

    async def test_W5_a_place_is_given_back_by_a_closed_connection_that_cannot_be_handed_over(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(uncounted_networks=())
        stalled = await reader_of_much(edge, at_once=True)
        (connection,) = edge.connections.live
        connection.force_close()
        with pytest.raises(ConnectionResetError):
            connection.hand_over(lambda _: None)
        assert len(edge.places) == 1
        reset(stalled)
        await until(lambda: not edge.connections.live)
        assert not len(edge.places)

    async def test_W5_this_machine_is_not_counted_unless_it_is_told_to(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(connections_per_address=1)
        for _ in range(5):
            await (await edge.rig.socket()).upgrade()
        assert len(edge.places) == 0

    async def test_W6_headers_of_who_is_no_trusted_proxy_do_not_change_the_address(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(connections_per_address=4, uncounted_networks=(), trusted_proxies=("127.0.0.20",))
        for number in range(4):
            socket = await edge.rig.socket("127.0.0.9")
            lies = {"X_Real_IP": f"1.2.4.{number}", "Forwarded": f"for=1.2.5.{number}"}
            await socket.upgrade(X_Forwarded_For=f"1.2.3.{number}", **lies)
        assert edge.places.taken("127.0.0.9") == 4
        assert await (await edge.rig.socket("127.0.0.9")).status() == 429

    @pytest.mark.parametrize("kept", [False, True], ids=["at once", "after a request"])
    async def test_W6_behind_a_trusted_proxy_sockets_count_under_the_last_hop_that_is_none(self, make_edge: MakeEdge, kept: bool) -> None:
        edge = await make_edge(connections_per_address=2, trusted_proxies=("127.0.0.0/8",), uncounted_networks=("10.0.0.0/8",))

        async def through_the_proxy() -> RawSocket:
            return await (edge.kept if kept else edge.rig.socket)("127.0.0.20")

        sockets = []
        for number in range(2):
            socket = await through_the_proxy()
            await socket.upgrade(X_Forwarded_For=f"1.2.3.{number}, 203.0.113.5", X_Real_IP="1.2.3.4")
            sockets.append(socket)
        assert edge.places.taken("203.0.113.5") == 2
        third = await through_the_proxy()
        third.request(X_Forwarded_For="203.0.113.6, 203.0.113.5, 127.0.0.3")
        assert await third.status() == 429
        await (await through_the_proxy()).upgrade(X_Forwarded_For="203.0.113.5, 203.0.113.6")
        for _ in range(3):
            await (await through_the_proxy()).upgrade(X_Forwarded_For="10.1.2.3")
            await (await through_the_proxy()).upgrade()
        assert len(edge.places) == 2
        for socket in sockets:
            reset(socket)
        await until(lambda: edge.places.taken("203.0.113.5") == 0)
        await (await through_the_proxy()).upgrade(X_Forwarded_For="203.0.113.5")


async def cut(socket: RawSocket) -> int:
    """The status with which the server ended it, though more may have been on its way."""
    head = await socket.head()
    with suppress(ConnectionError):
        await asyncio.wait_for(socket.reader.read(), 20)
    return int(head.split(b" ", 2)[1])


async def ended(socket: RawSocket) -> bool:
    """Whether it got no byte."""
    try:
        return await asyncio.wait_for(socket.reader.read(), 20) == b""
    except ConnectionError:
        return True


def cut_in_a_frame(socket: RawSocket) -> None:
    socket.send(b"\x82\xfe")
    socket.writer.close()


def say_goodbye(socket: RawSocket) -> None:
    socket.send(closing(1000))
    socket.writer.close()


class TestTime:
    async def test_W4_a_later_head_that_dribbles_is_cut_like_the_first(self, make_edge: MakeEdge) -> None:
        edge = await make_edge()
        slow, idle = [await edge.kept() for _ in range(20)], await edge.kept()
        for byte in QUICK[:9]:
            for one in slow:
                one.send(bytes((byte,)))
            await until(lambda: len(begun(edge)) == 20)
            edge.rig.advance(1.0)
        assert await get(await edge.rig.socket()) == (200, True)
        edge.rig.advance(1.5)
        assert [await one.status() for one in slow] == [408] * 20
        assert await get(idle) == (200, True)

    async def test_W4_a_later_head_that_comes_in_time_is_answered_however_often(self, make_edge: MakeEdge) -> None:
        edge = await make_edge()
        socket = await edge.kept()
        for _ in range(5):
            socket.send(QUICK[:9])
            await until(lambda: begun(edge))
            edge.rig.advance(9.0)
            assert await get(socket, QUICK[9:]) == (200, True)
            assert not begun(edge)

    async def test_W4_a_hundred_bodies_that_dribble_are_cut_while_others_are_served(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(request_timeout_s=2.0)
        bodies = [await edge.rig.socket() for _ in range(100)]
        for number, one in enumerate(bodies):
            length = b"Content-Length: 1000\r\n" if number % 3 else b"Transfer-Encoding: chunked\r\n"
            one.send(b"POST /note HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + length + b"\r\n")
        ends = asyncio.gather(*(cut(one) for one in bodies))
        answered = 0
        while not ends.done():
            for number, one in enumerate(bodies):
                if not one.writer.is_closing():
                    one.send(b" " if number % 3 else b"1\r\n \r\n")
            answered += (await get(await edge.rig.socket()))[0] == 200 and not ends.done()
            await asyncio.sleep(0.03)
        assert await ends == [400] * 100
        assert answered >= 1
        assert await get(await edge.rig.socket(), NOTE) == (200, True)

    @pytest.mark.parametrize("path", [b"/unread", b"/no/such/route"])
    async def test_W4_a_body_that_nobody_reads_does_not_keep_the_connection(self, make_edge: MakeEdge, path: bytes) -> None:
        edge = await make_edge()
        socket = await edge.rig.socket()
        socket.send(b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n")
        end = asyncio.ensure_future(cut(socket))
        while not end.done():
            socket.send(b"x")
            await asyncio.sleep(0.03)
        assert await end in {200, 404}

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    async def test_a_body_that_nobody_reads_and_nobody_can_unpack_is_no_failure_of_ours(self, make_edge: MakeEdge, coding: str) -> None:
        edge = await make_edge()
        socket = await edge.rig.socket()
        with logged("info") as log:
            socket.send(b"POST /unread HTTP/1.1\r\n" + HOST + f"Content-Encoding: {coding}\r\nContent-Length: 100\r\n\r\n".encode())
            head = await socket.head()
            socket.send(b"\xff" * 100)
            with suppress(ConnectionError):
                await asyncio.wait_for(socket.reader.read(), 20)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert '"level":"error"' not in log.getvalue()

    async def test_W4_who_takes_nothing_of_an_answer_is_dropped_and_who_takes_a_little_is_not(self, make_edge: MakeEdge) -> None:
        edge = await make_edge()
        stalled, slow = await reader_of_much(edge), await reader_of_much(edge)
        taken = 0
        for _ in range(5):
            edge.rig.advance(9.5)
            before = owed_to(slow, edge)
            while before and owed_to(slow, edge) == before:  # 0: the kernel has taken all the rest
                taken += len(await slow.reader.readexactly(2**16))
        await slow.reader.readexactly(BIG_BYTES - taken)
        await until(lambda: len(edge.connections.live) == 1)
        assert not await has_all(stalled)

    async def test_a_head_that_has_begun_behind_an_unread_answer_ends_with_its_connection_and_harms_no_other(
        self, make_edge: MakeEdge
    ) -> None:
        edge = await make_edge()
        stalled = await reader_of_much(edge, at_once=True)
        (connection,) = edge.connections.live
        stalled.send(b"GE")
        await until(lambda: begun(edge))
        connection.force_close()  # as aiohttp does when `keepalive_s` are over; what is unsent keeps the socket
        dribbler = await edge.rig.socket()
        dribbler.send(b"GE")
        await until(lambda: edge.rig.gateway.waiting)
        with capture_logs() as lines:
            edge.rig.advance(10.5)
        assert not lines
        await until(lambda: not edge.connections.live)
        assert await dribbler.status() == 408
        assert not await has_all(stalled)

    async def test_an_idle_connection_is_kept_for_a_while_only(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(keepalive_s=0.1)
        socket = await edge.kept()
        assert await ended(socket)
        await until(lambda: not edge.connections.live)

    async def test_where_many_are_kept_no_more_are(self, make_edge: MakeEdge) -> None:
        edge = await make_edge(kept_connections=2)
        kept = [await edge.kept(), await edge.kept()]
        third = await edge.rig.socket()
        assert await get(third) == (200, False)
        assert await ended(third)
        await until(lambda: len(edge.connections.live) == 2)
        for one in kept:
            assert await get(one) == (200, True)
        reset(kept[0])
        await until(lambda: len(edge.connections.live) == 1)
        await edge.kept()


NOTE = b"POST /note HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 12\r\n\r\n" + b'{"text":"x"}'


def begun(edge: Edge) -> list[Connection]:
    """Connections on which a further head has begun."""
    return [one for one in edge.connections.live if one._head_until_s != inf]


async def reader_of_much(edge: Edge, *, at_once: bool = False) -> RawSocket:
    """A peer that has asked for more than the kernel keeps, and reads only when told to.

    Args:
        at_once: whether all of the answer goes to the transport, so that the connection is ready for a next request.
    """
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2**16)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", edge.rig.gateway.port))
    socket = edge.rig.owned(RawSocket(*await asyncio.open_connection(sock=raw, limit=2**16)))
    if at_once:
        assert await get(socket) == (200, True)
        for one in edge.connections.live:
            assert one._socket is not None
            one._socket.set_write_buffer_limits(2 * BIG_BYTES)
    socket.send(b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n")
    await until(lambda: owed_to(socket, edge) > 2**20)
    if at_once:
        await until(lambda: all(one._waiter is not None for one in edge.connections.live))
    return socket


def owed_to(socket: RawSocket, edge: Edge) -> int:
    """Bytes that the server still has for this peer."""
    here = socket.writer.get_extra_info("sockname")
    own = [one._socket for one in edge.connections.live if one._socket is not None]
    return sum(owed_bytes(one) for one in own if one.get_extra_info("peername") == here)


async def has_all(socket: RawSocket) -> bool:
    """Whether as much came as was asked for, before the end."""
    try:
        await asyncio.wait_for(socket.reader.readexactly(BIG_BYTES), 20)
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    return True
