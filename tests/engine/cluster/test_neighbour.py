"""Neighbours that are killed, stopped, closed and restarted: only a refused connection proves a death."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from commonroom.engine.cluster.member import Member
from commonroom.engine.cluster.neighbour import UnixNeighbours, host_id
from commonroom.errors import ConfigError

CHILD = """
import asyncio, sys
from pathlib import Path
from commonroom.engine.cluster.neighbour import UnixNeighbours

async def main():
    neighbours = UnixNeighbours(Path(sys.argv[1]), sys.argv[2])
    await neighbours.open()
    print(neighbours.path, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await neighbours.close()

asyncio.run(main())
"""


class Process:
    """A neighbour in a process of its own."""

    def __init__(self, folder: Path, me: str) -> None:
        command = [sys.executable, "-c", CHILD, str(folder), me]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.member = Member(id=me, name=me, host=host_id(), socket=self._process.stdout.readline().strip())

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        """Let it end in order."""
        self._process.communicate()


class Peer:
    """A listener of the test's own, to see who connects."""

    def __init__(self, path: Path, backlog: int = 8) -> None:
        self.member = Member(id=path.stem, name=path.stem, host=host_id(), socket=str(path))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(backlog)
        self._listener.setblocking(False)

    async def accept(self) -> socket.socket:
        async with asyncio.timeout(20):
            connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        return connection

    def die(self) -> None:
        """As a killed process does: the listener goes, its file stays. Safe to call twice."""
        self._listener.close()

    def fill(self) -> list[socket.socket]:
        """Connect until the backlog takes no more."""
        fillers: list[socket.socket] = []
        while True:
            filler = socket.socket(socket.AF_UNIX)
            filler.setblocking(False)
            try:
                filler.connect(self.member.socket)
            except BlockingIOError:
                filler.close()
                return fillers
            fillers.append(filler)


class Peers:
    """Listeners in one folder, all closed at the end of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._peers: list[Peer] = []

    def add(self, name: str, backlog: int = 8) -> Peer:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._peers.append(peer := Peer(self._folder / f"{name}.sock", backlog))
        return peer

    def close(self) -> None:
        for peer in self._peers:
            peer.die()


class Deaths:
    """Who was reported dead, in order."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, member: str) -> None:
        self.ids.append(member)
        self._news.set()

    async def first(self) -> str:
        async with asyncio.timeout(20):
            await self._news.wait()
        return self.ids[0]


@pytest.fixture
def peers(folder: Path) -> Iterator[Peers]:
    peers = Peers(folder)
    yield peers
    peers.close()


@pytest.fixture
async def neighbours(folder: Path) -> AsyncIterator[UnixNeighbours]:
    neighbours = UnixNeighbours(folder, "me")
    await neighbours.open()
    yield neighbours
    await neighbours.close()


@pytest.fixture
def other(folder: Path) -> Iterator[Process]:
    process = Process(folder, "other")
    yield process
    process.signal(signal.SIGCONT)
    process.kill()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def among(*members: Member) -> dict[str, Member]:
    return {member.id: member for member in members}


async def until_looked_again(peer: Peer, times: int = 3) -> None:
    """Close what connects; the watch has then drawn its conclusion from each end of file but the last."""
    for _ in range(times):
        (await peer.accept()).close()


async def test_a_killed_neighbour_is_dead_at_once_and_once(neighbours: UnixNeighbours, other: Process) -> None:
    deaths = Deaths()
    neighbours.watch(among(other.member), deaths)
    other.kill()
    assert await deaths.first() == "other"
    for _ in range(3):
        neighbours.watch(among(other.member), deaths)
        await asyncio.sleep(0)
    assert deaths.ids == ["other"]


async def test_a_neighbour_killed_before_it_was_watched_is_dead_too(neighbours: UnixNeighbours, other: Process) -> None:
    deaths = Deaths()
    other.kill()
    neighbours.watch(among(other.member), deaths)
    assert await deaths.first() == "other"


async def test_a_stopped_neighbour_is_not_dead(neighbours: UnixNeighbours, other: Process, peers: Peers) -> None:
    deaths = Deaths()
    other.signal(signal.SIGSTOP)
    second = peers.add("second")
    neighbours.watch(among(other.member, second.member), deaths)
    await until_looked_again(second)
    assert deaths.ids == []
    other.kill()
    assert await deaths.first() == "other"


async def test_an_end_of_file_alone_proves_nothing(neighbours: UnixNeighbours, peers: Peers) -> None:
    deaths = Deaths()
    peer = peers.add("peer")
    neighbours.watch(among(peer.member), deaths)
    await until_looked_again(peer)
    assert deaths.ids == []
    peer.die()
    assert await deaths.first() == "peer"


async def test_a_connection_that_was_never_accepted_ends_with_the_process(neighbours: UnixNeighbours, peers: Peers) -> None:
    deaths = Deaths()
    peer = peers.add("peer")
    neighbours.watch(among(peer.member), deaths)
    await asyncio.sleep(0)
    peer.die()
    assert await deaths.first() == "peer"


async def test_a_full_backlog_proves_nothing(neighbours: UnixNeighbours, peers: Peers) -> None:
    deaths = Deaths()
    peer = peers.add("peer", backlog=0)
    fillers = peer.fill()
    second = peers.add("second")
    neighbours.watch(among(peer.member, second.member), deaths)
    await until_looked_again(second)
    assert deaths.ids == []
    for filler in fillers:
        filler.close()
        (await peer.accept()).close()
    (await peer.accept()).close()
    peer.die()
    assert await deaths.first() == "peer"


async def test_a_neighbour_that_closes_in_order_is_not_taken_for_dead(
    neighbours: UnixNeighbours, other: Process, folder: Path, peers: Peers
) -> None:
    deaths = Deaths()
    second = peers.add("second")
    neighbours.watch(among(other.member, second.member), deaths)
    await asyncio.sleep(0)
    other.close()
    await until_looked_again(second)
    assert deaths.ids == []
    assert "other.sock" not in names_in(folder)


async def test_who_is_no_member_any_more_is_not_reported(neighbours: UnixNeighbours, peers: Peers) -> None:
    deaths = Deaths()
    peer, second = peers.add("peer"), peers.add("second")
    neighbours.watch(among(peer.member, second.member), deaths)
    connection = await peer.accept()
    neighbours.watch(among(second.member), deaths)
    async with asyncio.timeout(20):
        assert await asyncio.get_running_loop().sock_recv(connection, 1) == b""
    connection.close()
    peer.die()
    await until_looked_again(second)
    assert deaths.ids == []


@pytest.mark.parametrize(
    "stranger",
    [
        Member(id="far", name="far", host="another machine", socket="{}"),
        Member(id="mute", name="mute", host=host_id(), socket=""),
        Member(id="me", name="me", host=host_id(), socket="{}"),
        Member(id="other", name="other", host=host_id(), socket="{}"),
        Member(id="odd", name="odd", host=host_id(), socket="\0/odd.sock"),
        Member(id="long", name="long", host=host_id(), socket="/" + "x" * 500 + "/long.sock"),
        Member(id="folder", name="folder", host=host_id(), socket="{}/../folder.sock"),
    ],
    ids=lambda member: member.id,
)
async def test_who_cannot_be_watched_is_never_dead(neighbours: UnixNeighbours, peers: Peers, stranger: Member) -> None:
    deaths = Deaths()
    refusing = peers.add("refusing")
    refusing.die()
    second = peers.add("second")
    near = Path(refusing.member.socket)
    near.with_name("folder.sock").mkdir()  # refuses as well
    member = replace(stranger, socket=stranger.socket.replace("{}/..", str(near.parent)).replace("{}", str(near)))
    neighbours.watch(among(member, second.member), deaths)
    await until_looked_again(second)
    assert deaths.ids == []


async def test_a_stale_file_of_our_name_is_replaced_and_ours_removed(folder: Path, peers: Peers) -> None:
    peers.add("me").die()
    neighbours = UnixNeighbours(folder, "me")
    await neighbours.open()
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(neighbours.path)
    await neighbours.close()
    await neighbours.close()
    assert names_in(folder) == set()


async def test_what_is_said_on_a_held_connection_is_ignored(neighbours: UnixNeighbours, peers: Peers) -> None:
    deaths = Deaths()
    peer = peers.add("peer")
    neighbours.watch(among(peer.member), deaths)
    connection = await peer.accept()
    connection.sendall(b"hello" * 1000)
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(neighbours.path)
        guest.sendall(b"hello" * 1000)
    connection.close()
    await until_looked_again(peer, 1)
    assert deaths.ids == []


async def test_a_failing_listener_is_told_and_watched_anew(folder: Path, peers: Peers) -> None:
    troubles: list[str] = []
    told = asyncio.Event()

    def note(line: str) -> None:
        troubles.append(line)
        told.set()

    def fail(member: str) -> None:
        raise ValueError(member)

    neighbours = UnixNeighbours(folder, "me", on_trouble=note)
    await neighbours.open()
    peer = peers.add("peer")
    peer.die()
    neighbours.watch(among(peer.member), fail)
    async with asyncio.timeout(20):
        await told.wait()
    assert troubles == ["watching peer failed: ValueError: peer"]
    deaths = Deaths()
    neighbours.watch(among(peer.member), deaths)
    assert await deaths.first() == "peer"
    await neighbours.close()


@pytest.fixture
def open_folder(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o755)
    return folder


@pytest.fixture
def linked_folder(folder: Path) -> Path:
    (target := folder.with_name("target")).mkdir(mode=0o700)
    folder.symlink_to(target)
    return folder


async def test_a_folder_others_may_look_into_is_refused(open_folder: Path) -> None:
    with pytest.raises(ConfigError, match="mode 0700"):
        await UnixNeighbours(open_folder, "me").open()


async def test_a_link_to_a_folder_is_refused(linked_folder: Path) -> None:
    with pytest.raises(ConfigError, match="mode 0700"):
        await UnixNeighbours(linked_folder, "me").open()


async def test_a_path_too_long_for_a_socket_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="longer than 100 bytes"):
        await UnixNeighbours(folder / ("x" * 100), "me").open()


async def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(ConfigError, match="cannot listen"):
        await UnixNeighbours(Path("/dev/null/sockets"), "me").open()


def test_the_host_is_the_same_for_every_process_of_it() -> None:
    told = subprocess.check_output(
        [sys.executable, "-c", "from commonroom.engine.cluster.neighbour import host_id; print(host_id())"], text=True
    )
    assert told.strip() == host_id()
    assert len(host_id()) > 10
    assert os.sep in host_id()
