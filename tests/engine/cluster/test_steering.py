"""Sockets passed between nodes of one machine: each is served exactly once, and no descriptor is left behind."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from commonroom.engine.address import Address
from commonroom.engine.cluster import passing
from commonroom.engine.cluster.member import Member
from commonroom.engine.cluster.neighbour import host_id
from commonroom.engine.cluster.passing import MAX_MESSAGE_BYTES, MESSAGES_A_TURN
from commonroom.engine.cluster.steering import UnixSteering
from commonroom.errors import ConfigError
from tests.support.client import until

ROOM = Address("room", "quiet")
HEAD = b"GET /v1/ws/quiet HTTP/1.1\r\nHost: a\r\n\r\n"


class Pair:
    """A TCP connection: the client's end, and the one a node accepted."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.accepted, _ = listener.accept()
        self.client.settimeout(20)

    def is_served_by(self, taken: socket.socket) -> bool:
        """Whether these are two ends of one connection that is open both ways."""
        taken.setblocking(True)
        self.client.sendall(b"ping")
        taken.sendall(taken.recv(4).swapcase())
        return self.client.recv(4) == b"PING"


class Node:
    """Steering, and what would be a gateway behind it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.taken: list[tuple[socket.socket, bytes]] = []
        self.wanted = True
        self.steering = UnixSteering(folder, self)
        self.open(name)

    def open(self, name: str) -> None:
        self.member = Member(id=name, name=name, host=host_id(), socket=str(self.folder / f"{name}.sock"))
        self.steering.open(name)

    def wants(self, address: Address) -> bool:
        assert address == ROOM
        return self.wanted

    def take(self, accepted: socket.socket, data: bytes) -> None:
        self.taken.append((accepted, data))

    def close(self) -> None:
        self.steering.close()
        for accepted, _ in self.taken:
            accepted.close()


class Stage:
    """Two nodes and all that a test opens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.here, self.there = Node(folder, "here"), Node(folder, "there")
        self.pairs: list[Pair] = []
        self.others: list[socket.socket] = []

    def accept(self) -> Pair:
        self.pairs.append(Pair())
        return self.pairs[-1]

    def pass_on(self, pair: Pair | None = None, data: bytes = HEAD, member: Member | None = None) -> bool:
        """As the gateway does: where it is passed on, our own descriptor is closed."""
        pair = pair or self.accept()
        passed = self.here.steering.pass_on(member or self.there.member, ROOM, pair.accepted.fileno(), data)
        if passed:
            pair.accepted.close()
        return passed

    def raw(self, name: str) -> socket.socket:
        """A connection to a node's door, to say on it what no node would."""
        connection = self.owned(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        connection.connect(str(self.folder / f"{name}.pass"))
        return connection

    def owned(self, opened: socket.socket) -> socket.socket:
        self.others.append(opened)
        return opened

    def listen_as(self, name: str, backlog: int = 8) -> tuple[Member, socket.socket]:
        """A node that accepts when the test wants it to."""
        listener = self.owned(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listener.bind(str(self.folder / f"{name}.pass"))
        listener.listen(backlog)
        return replace(self.here.member, id=name, socket=str(self.folder / f"{name}.sock")), listener

    def close(self) -> None:
        self.here.close()
        self.there.close()
        for pair in self.pairs:
            pair.client.close()
            pair.accepted.close()
        for other in self.others:
            other.close()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Every test that uses it proves that it leaves no descriptor behind."""
    before = descriptors()
    stage = Stage(folder)
    yield stage
    stage.close()
    await until(lambda: descriptors() == before, "every descriptor to be closed")
    assert names_in(folder).isdisjoint({"here.pass", "there.pass", "there-2.pass"})


async def test_a_socket_passed_on_is_served_there_with_what_was_read_from_it(stage: Stage) -> None:
    pair = stage.accept()
    pair.client.sendall(b"after the head")
    assert stage.pass_on(pair)
    await until(lambda: stage.there.taken, "the socket")
    ((taken, data),) = stage.there.taken
    assert data == HEAD
    assert not taken.getblocking()
    assert not taken.get_inheritable()
    taken.setblocking(True)
    assert taken.recv(100) == b"after the head"
    assert pair.is_served_by(taken)
    assert (stage.here.steering.stats.steered, stage.there.steering.stats.taken) == (1, 1)


async def test_more_sockets_than_one_turn_takes_all_arrive_in_order(stage: Stage) -> None:
    number = 3 * MESSAGES_A_TURN + 1
    assert all(stage.pass_on(data=HEAD + str(index).encode()) for index in range(number))
    await until(lambda: len(stage.there.taken) == number, "all sockets")
    assert [data for _, data in stage.there.taken] == [HEAD + str(index).encode() for index in range(number)]


async def test_both_nodes_pass_to_each_other(stage: Stage) -> None:
    stage.pass_on()
    pair = stage.accept()
    assert stage.there.steering.pass_on(stage.here.member, ROOM, pair.accepted.fileno(), HEAD)
    await until(lambda: stage.there.taken and stage.here.taken, "both sockets")


async def test_a_socket_that_is_not_wanted_there_comes_back_and_stays(stage: Stage) -> None:
    stage.there.wanted = stage.here.wanted = False
    pair = stage.accept()
    assert stage.pass_on(pair)
    await until(lambda: stage.here.taken, "the socket back")
    ((taken, data),) = stage.here.taken
    assert data == HEAD
    assert pair.is_served_by(taken)
    assert stage.there.taken == []
    assert (stage.there.steering.stats.returned, stage.there.steering.stats.taken, stage.here.steering.stats.taken) == (1, 0, 0)


async def test_one_that_cannot_be_passed_back_is_served_though_not_wanted(stage: Stage) -> None:
    stage.there.wanted = False
    sender, pair = stage.raw("there"), stage.accept()
    socket.send_fds(sender, [b"room/quiet\n", HEAD], [pair.accepted.fileno()])
    sender.shutdown(socket.SHUT_RD)
    await until(lambda: stage.there.taken, "the socket")
    assert pair.is_served_by(stage.there.taken[0][0])
    assert (stage.there.steering.stats.returned, stage.there.steering.stats.taken) == (0, 1)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"host": "another machine"}, 0),
        ({"socket": ""}, 0),
        ({"id": "somebody"}, 0),
        ({"id": "here", "socket": "{}/here.sock"}, 0),
        ({"id": "absent", "socket": "{}/absent.sock"}, 1),
        ({"id": "dead", "socket": "{}/dead.sock"}, 1),
        ({"id": "odd\0", "socket": "{}/odd\0.sock"}, 1),
        ({"id": "x" * 500, "socket": "{}/" + "x" * 500 + ".sock"}, 1),
        ({"socket": "/elsewhere/there.sock"}, 0),
        ({"id": "../sockets/there", "socket": "{}/../sockets/there.sock"}, 0),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_who_cannot_be_reached_gets_nothing(stage: Stage, change: dict[str, str], kept: int) -> None:
    _, dead = stage.listen_as("dead")
    dead.close()
    member = replace(stage.there.member, **{name: value.replace("{}", str(stage.folder)) for name, value in change.items()})
    pair = stage.accept()
    assert not stage.pass_on(pair, member=member)
    assert pair.is_served_by(pair.accepted)
    assert (stage.here.steering.stats.steered, stage.here.steering.stats.kept) == (0, kept)


async def test_a_full_queue_keeps_the_socket_here_and_the_way_open(stage: Stage) -> None:
    member, listener = stage.listen_as("busy")
    passed = 0
    while stage.pass_on(member=member):
        passed += 1
        assert passed < 5000
    assert stage.here.steering.stats.kept == 1
    assert stage.pairs[-1].is_served_by(stage.pairs[-1].accepted)
    busy = stage.owned(listener.accept()[0])
    for _ in range(passed):
        _, (descriptor,), _, _ = socket.recv_fds(busy, MAX_MESSAGE_BYTES, 1)
        os.close(descriptor)
    assert stage.pass_on(member=member)
    assert stage.here.steering.stats.steered == passed + 1


async def test_a_full_backlog_keeps_the_socket_here(stage: Stage) -> None:
    member, _ = stage.listen_as("busy", backlog=0)
    stage.raw("busy")
    assert not stage.pass_on(member=member)
    assert stage.here.steering.stats.kept == 1


async def test_a_message_too_long_to_pass_keeps_the_socket_here(stage: Stage) -> None:
    assert not stage.pass_on(data=bytes(MAX_MESSAGE_BYTES))
    assert stage.pass_on(data=bytes(MAX_MESSAGE_BYTES - len("room/quiet\n")))
    await until(lambda: stage.there.taken, "the longest message")
    assert stage.there.steering.stats.spoilt == 0


@contextmanager
def spoilt(case: str) -> Iterator[tuple[list[bytes], list[int]]]:
    """A message that no node would send: its parts and descriptors."""
    pair, pipe, near, datagram = Pair(), os.pipe(), socket.socketpair(), socket.socket(type=socket.SOCK_DGRAM)
    good = pair.accepted.fileno()
    yield {
        "no descriptor": ([b"room/quiet\n", HEAD], []),
        "two descriptors": ([b"room/quiet\n", HEAD], [good, good]),
        "truncated": ([b"room/quiet\n", bytes(MAX_MESSAGE_BYTES)], [good]),
        "no data": ([b""], [good]),
        "no address": ([HEAD], [good]),
        "half an address": ([b"room\n", HEAD], [good]),
        "no text": ([b"room/\xff\n", HEAD], [good]),
        "a pipe": ([b"room/quiet\n", HEAD], [pipe[0]]),
        "a Unix socket": ([b"room/quiet\n", HEAD], [near[0].fileno()]),
        "a datagram socket": ([b"room/quiet\n", HEAD], [datagram.fileno()]),
    }[case]
    for each in (pair.client, pair.accepted, *near, datagram):
        each.close()
    for descriptor in pipe:
        os.close(descriptor)


CASES = [
    "no descriptor", "two descriptors", "truncated", "no data", "no address", "half an address", "no text", "a pipe", "a Unix socket",
    "a datagram socket",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_what_is_no_whole_socket_is_counted_and_closed(stage: Stage, case: str) -> None:
    sender = stage.raw("there")
    with spoilt(case) as (parts, sent):
        socket.send_fds(sender, parts, sent)
    await until(lambda: stage.there.steering.stats.spoilt == 1, "the message")
    assert stage.there.taken == []
    pair = stage.accept()
    socket.send_fds(sender, [b"room/quiet\n", HEAD], [pair.accepted.fileno()])
    await until(lambda: stage.there.taken, "a good one after it")


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_node_that_closes_deals_with_all_that_has_come(stage: Stage, wanted: bool) -> None:
    number = 3 * MESSAGES_A_TURN
    stage.there.wanted = wanted
    assert all(stage.pass_on() for _ in range(number))
    stage.there.steering.close()  # it has not even accepted the connection
    serving = stage.there if wanted else stage.here
    await until(lambda: len(serving.taken) == number, "all of them")
    assert stage.pairs[-1].is_served_by(serving.taken[-1][0])
    assert not stage.pass_on()


async def test_a_node_that_closes_serves_what_came_back_to_it(stage: Stage) -> None:
    stage.there.wanted = False
    member, listener = stage.listen_as("busy")
    assert stage.pass_on(member=member)
    busy = stage.owned(listener.accept()[0])
    data, (descriptor,), _, _ = socket.recv_fds(busy, MAX_MESSAGE_BYTES, 1)
    socket.send_fds(busy, [data], [descriptor])
    os.close(descriptor)
    stage.here.steering.close()
    assert stage.pairs[-1].is_served_by(stage.here.taken[0][0])
    with pytest.raises(BrokenPipeError):
        busy.send(b"too late")


@pytest.mark.parametrize("noticed_by", ["reading", "passing on", "closing"])
async def test_what_came_back_from_a_node_that_died_is_served(stage: Stage, noticed_by: str) -> None:
    member, listener = stage.listen_as("busy")
    assert stage.pass_on(member=member)
    busy = stage.owned(listener.accept()[0])
    data, (descriptor,), _, _ = socket.recv_fds(busy, MAX_MESSAGE_BYTES, 1)
    socket.send_fds(busy, [data], [descriptor])
    os.close(descriptor)
    assert stage.pass_on(member=member)  # unread when it dies: what was passed dies with it, as in its backlog
    busy.close()
    if noticed_by == "passing on":
        assert not stage.pass_on(member=member)
        assert stage.here.taken
    if noticed_by == "closing":
        stage.here.steering.close()
        assert stage.here.taken
    await until(lambda: stage.here.taken, "the one that came back")
    assert stage.pairs[0].is_served_by(stage.here.taken[0][0])
    assert stage.pairs[1].client.recv(1) == b""


async def test_after_the_end_of_a_way_there_is_another(stage: Stage) -> None:
    member, listener = stage.listen_as("busy")
    for _ in range(3):
        assert stage.pass_on(member=member)
        listener.accept()[0].close()
        assert not stage.pass_on(member=member)
    assert stage.here.steering.stats.kept == 3


async def test_another_incarnation_is_found_by_its_own_name_only(stage: Stage) -> None:
    former = stage.there.member
    assert stage.pass_on()
    stage.there.open("there-2")
    assert not stage.pass_on(member=former)
    assert stage.pass_on()
    await until(lambda: len(stage.there.taken) == 2, "both")
    assert names_in(stage.folder) == {"here.pass", "there-2.pass"}


async def test_out_of_descriptors_a_node_waits_before_it_asks_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "AGAIN_S", 0.01)
    pair, door = stage.accept(), stage.there.steering._door
    assert door is not None
    assert stage.pass_on(pair)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        door._ready()
        assert door._again is not None
        assert not asyncio.get_running_loop().remove_reader(door._listener)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    await until(lambda: stage.there.taken, "the socket")


@pytest.fixture
def open_folder(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o755)
    return folder


async def test_a_folder_that_is_not_ours_alone_is_refused(open_folder: Path) -> None:
    before = descriptors()
    with pytest.raises(ConfigError, match="mode 0700"):
        Node(open_folder, "here")
    assert descriptors() == before


async def test_before_it_opens_and_after_it_closed_it_passes_nothing(stage: Stage) -> None:
    stage.here.steering.close()
    stage.here.steering.close()
    pair = stage.accept()
    assert not stage.pass_on(pair)
    assert not UnixSteering(stage.folder, stage.here).pass_on(stage.there.member, ROOM, pair.accepted.fileno(), HEAD)
    assert stage.here.steering.stats.kept == 0
