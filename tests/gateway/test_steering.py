"""Sockets that name a room in their path: offered to another process, and taken from one."""

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commonroom.config.settings import HttpSettings
from commonroom.engine.address import Address
from commonroom.engine.gateway.handshake import room_of
from commonroom.errors import Invalid
from commonroom.protocol.codec import MSGPACK_PROTOCOL
from commonroom.protocol.room import Joined, RoomJoin
from commonroom.protocol.session import Hello, Reply, Welcome
from tests.gateway.conftest import MakeRig
from tests.gateway.rig import Rig, until
from tests.gateway.socket import RawSocket, closing

QUIET = "/v1/ws/quiet"


class Signpost:
    """Sends every socket to another gateway of this process, as the cluster would to another node's."""

    def __init__(self) -> None:
        self.there: Rig | None = None
        self.asked: list[tuple[Address, bytes]] = []
        self.inode = 0
        """Of the socket that was offered last."""

    def __call__(self, room: Address, descriptor: int, data: bytes) -> bool:
        self.asked.append((room, data))
        self.inode = os.fstat(descriptor).st_ino
        if self.there is None:
            return False
        self.there.gateway.take(accepted(descriptor), data)
        return True


def accepted(descriptor: int) -> socket.socket:
    """A descriptor of one's own for the same connection, as another process gets it."""
    passed = socket.socket(fileno=os.dup(descriptor))
    passed.setblocking(False)
    return passed


def descriptors_of(inode: int) -> int:
    """How many this process has of one socket."""
    return sum(1 for path in Path("/proc/self/fd").iterdir() if path.exists() and path.stat().st_ino == inode)


@pytest.fixture
def signpost() -> Signpost:
    return Signpost()


@pytest.fixture
async def here(make_rig: MakeRig, signpost: Signpost) -> Rig:
    made: Rig = await make_rig(steer=signpost)
    return made


@pytest.fixture
async def there(make_rig: MakeRig, signpost: Signpost) -> Rig:
    """Where the signpost points; it would send on itself what it may."""
    made: Rig = await make_rig(steer=signpost)
    signpost.there = made
    return made


@pytest.fixture
async def bare(here: Rig) -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection of no gateway: the client's end and the accepted one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    other.setblocking(False)
    yield client, other
    client.close()
    other.close()


async def asking(rig: Rig, target: str = QUIET) -> RawSocket:
    socket = await rig.socket()
    socket.request(target)
    return socket


async def test_a_socket_that_is_steered_lives_there_and_leaves_nothing_here(here: Rig, there: Rig, signpost: Signpost) -> None:
    peer = await asking(here)
    assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
    peer.command(Hello(1, "ada"))
    assert isinstance(await peer.message(), Welcome)
    peer.command(RoomJoin(2, "quiet"))
    assert isinstance(await peer.message(), Joined)
    assert (here.gateway.stats.connections, there.gateway.stats.connections) == (0, 1)
    assert there.gateway.count(Address("room", "quiet")) == 1
    assert here.gateway.waiting == 0
    await until(lambda: descriptors_of(signpost.inode) == 1)
    ((room, data),) = signpost.asked
    assert room == Address("room", "quiet")
    assert data.startswith(b"GET /v1/ws/quiet HTTP/1.1\r\n")
    peer.send(closing(1000))
    assert await peer.close_code() == 1000
    await until(lambda: there.gateway.stats.connections == 0)


@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "behind a proxy"])
async def test_W6_a_socket_that_is_steered_counts_there_under_its_own_address(make_rig: MakeRig, signpost: Signpost, proxy: bool) -> None:
    http = HttpSettings(port=0, connections_per_address=1, uncounted_networks=(), trusted_proxies=("127.0.0.9",) if proxy else ())
    here, there = await make_rig(http, steer=signpost), await make_rig(http)
    signpost.there = there
    client = "203.0.113.5" if proxy else "127.0.0.9"
    peers = [await here.socket("127.0.0.9")]
    peers[0].request(QUIET, X_Forwarded_For="203.0.113.5")
    assert (await peers[0].head()).startswith(b"HTTP/1.1 101 ")
    await until(lambda: len(here.gateway.places) == 0)
    assert there.gateway.places.taken(client) == 1
    peers.append(await here.socket("127.0.0.9"))
    peers[1].request(QUIET, X_Forwarded_For="203.0.113.5")
    assert await peers[1].status() == 429
    for peer in peers:
        peer.abort()
    await until(lambda: len(there.gateway.places) == 0)


async def test_what_was_sent_behind_the_handshake_goes_along(here: Rig, there: Rig) -> None:
    peer = await asking(here)
    peer.command(Hello(1, "eager"))
    peer.command(RoomJoin(2, "quiet"))
    assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
    assert isinstance(await peer.message(), Welcome)
    assert isinstance(await peer.message(), Joined)


async def test_what_comes_while_a_socket_changes_hands_keeps_its_place(here: Rig, bare: tuple[socket.socket, socket.socket]) -> None:
    client, other = bare
    raw = await RawSocket.open(here.gateway.port)
    here.owned(raw)
    lines = [
        b"GET /v1/ws/quiet HTTP/1.1", b"Host: a", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Protocol: " + MSGPACK_PROTOCOL.encode(), b"", b"",
    ]  # fmt: skip
    head = b"\r\n".join(lines)
    client.sendall(head[50:])  # arrives before anything else happens on the new transport
    here.gateway.take(other, head[:50])
    await until(lambda: here.gateway.stats.connections == 1)
    client.settimeout(20)
    assert client.recv(12) == b"HTTP/1.1 101"


async def test_one_that_nobody_takes_is_served_here(here: Rig, signpost: Signpost) -> None:
    peer = await asking(here)
    assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
    peer.command(Hello(1, "ada"))
    assert isinstance(await peer.message(), Welcome)
    assert len(signpost.asked) == 1
    assert here.gateway.stats.connections == 1


@pytest.mark.parametrize("target", ["/v1/ws", "/v1/ws?room=quiet", "/v1/ws/quiet?token=secret", "/v1/wsx", "/v1/ws/", "/v1/ws/a/b"])
async def test_only_a_path_that_names_a_room_is_offered(here: Rig, there: Rig, signpost: Signpost, target: str) -> None:
    await (await asking(here, target)).head()
    assert signpost.asked == []


async def test_only_a_get_is_offered(here: Rig, there: Rig, signpost: Signpost) -> None:
    peer = await here.socket()
    peer.send(b"POST /v1/ws/quiet HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert await peer.status() == 405
    assert signpost.asked == []


async def test_a_room_s_socket_works_like_any_other_where_nothing_steers(rig: Rig) -> None:
    peer = await asking(rig)
    assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
    peer.command(Hello(1, "ada"))
    assert isinstance(await peer.message(), Welcome)
    for ref, room in enumerate(("another", "quiet"), 2):
        peer.command(RoomJoin(ref, room))
        assert isinstance(await peer.message(), Joined)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (QUIET, "quiet"),
        ("/v1/ws/page%2F12", "page/12"),
        ("/v1/ws/b%C3%BCcher%20hier", "bücher hier"),
        ("/v1/ws/100%", "100%"),
        ("/v1/ws/" + "x" * 123, "x" * 123),
    ],
)
def test_the_room_in_a_path_may_be_percent_encoded(path: str, key: str) -> None:
    assert room_of(path) == Address("room", key)


@pytest.mark.parametrize("path", ["/", "/v1/ws", "/v1/wsx", "/other/v1/ws/quiet"])
def test_other_paths_name_no_room(path: str) -> None:
    assert room_of(path) is None


IMPOSSIBLE = ["/v1/ws/" + "x" * 124, "/v1/ws/%ff", "/v1/ws/%0a", "/v1/ws/%00"]


@pytest.mark.parametrize("target", IMPOSSIBLE)
async def test_what_can_be_no_room_gets_404(here: Rig, there: Rig, signpost: Signpost, target: str) -> None:
    with pytest.raises(Invalid):
        room_of(target)
    assert await (await asking(here, target)).status() == 404
    assert signpost.asked == []
    assert here.http == []
    assert here.gateway.stats.refusals == {404: 1}


@pytest.mark.parametrize("target", ["/v1/ws/", "/v1/ws/a/b", "/v1/wsx"])
async def test_other_paths_below_are_the_http_server_s(here: Rig, target: str) -> None:
    assert await (await asking(here, target)).status() == 204
    assert len(here.http) == 1


async def test_W2_a_query_is_refused_with_a_room_too(here: Rig) -> None:
    assert await (await asking(here, "/v1/ws/quiet?token=secret")).status() == 400


async def test_where_there_is_no_place_a_socket_that_came_gets_503(make_rig: MakeRig, here: Rig, signpost: Signpost) -> None:
    signpost.there = full = await make_rig(max_connections=1)
    assert full.gateway.has_place
    await full.connect()
    assert not full.gateway.has_place
    assert await (await asking(here)).status() == 503


async def test_a_draining_gateway_says_that_it_has_no_place_and_refuses(here: Rig, there: Rig) -> None:
    there.gateway.begin_drain()
    assert not there.gateway.has_place
    assert await (await asking(here)).status() == 503


async def test_a_gateway_that_has_stopped_drops_what_still_comes(here: Rig, there: Rig) -> None:
    there.gateway.stop_listening()
    peer = await asking(here)
    assert await peer.reader.read() == b""
    assert there.gateway.stats.connections == there.gateway.waiting == 0
    assert there.gateway.stats.closes == {}


async def test_a_socket_that_came_has_its_time_to_send_a_head(here: Rig, bare: tuple[socket.socket, socket.socket]) -> None:
    client, other = bare
    here.gateway.take(other, b"GET /v1/ws/qu")
    await until(lambda: here.gateway.waiting)
    here.advance(9.5)
    assert here.gateway.waiting == 1
    here.advance(1)
    assert here.gateway.waiting == 0
    client.settimeout(20)
    assert client.recv(12) == b"HTTP/1.1 408"


async def test_one_whose_peer_has_gone_meanwhile_leaves_nothing(here: Rig, there: Rig, bare: tuple[socket.socket, socket.socket]) -> None:
    client, other = bare
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()  # with a reset
    there.gateway.take(other, b"GET /v1/ws/quiet HTTP/1.1\r\nHost: a\r\n")
    await until(lambda: other.fileno() == -1)
    assert there.gateway.stats.connections == there.gateway.waiting == 0


async def test_many_sockets_change_hands_and_each_hears_its_room(here: Rig, there: Rig) -> None:
    peers = []
    for index in range(20):
        peer = await asking(here)
        peer.command(Hello(1, f"guest{index}"))
        peer.command(RoomJoin(2, "quiet"))
        peers.append(peer)
    for peer in peers:
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        assert isinstance(await peer.message(), Welcome)
        assert isinstance(await peer.message(), Joined)
    there.router.say(there.router.room("quiet"))
    for peer in peers:
        assert not isinstance(await peer.message(), Reply)
    assert (here.gateway.stats.connections, there.gateway.stats.connections) == (0, 20)
