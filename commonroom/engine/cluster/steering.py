"""A socket goes to the node that has its room, as far as that is on this machine (ADR 10).

    client ── accepted by A ──(descriptor, bytes read so far)──► B has the room: serves it as its own
                  ▲                                                │
                  └──────────────── passed back ◄──────────────────┘ … or has readers enough, or drains

Each node has its door at `<incarnation>.pass`, beside its socket for neighbours, and makes a way to
another when it first has something for it (`passing.py`). What comes back on a way that we
opened, we serve. Nothing waits, queues or fails a client: what does not work at once is served by the
node that has the socket.
"""

import socket
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from commonroom.engine.address import Address
from commonroom.engine.cluster import neighbour
from commonroom.engine.cluster.member import Member
from commonroom.engine.cluster.passing import Door, Passed, Way, unix_socket
from commonroom.engine.cluster.port import Landing

__all__ = ["SteeringStats", "UnixSteering"]

SUFFIX: Final = ".pass"


class SteeringStats(Struct):
    """Counts of sockets since the start.

    `steered` went to the node that has their room. Of those that came, `taken` are served
    here, `returned` went back. `kept` should have gone and could not. `spoilt`: messages without a whole socket.
    """

    steered: int = 0
    taken: int = 0
    returned: int = 0
    kept: int = 0
    spoilt: int = 0


class UnixSteering:
    """Implements `Steering` for the nodes whose sockets are in `directory`.

    Args:
        directory: that of `UnixNeighbours`.
        host: of this machine; nothing is passed to members of another.
    """

    def __init__(self, directory: Path, landing: Landing, *, host: str | None = None) -> None:
        self.stats = SteeringStats()
        self._directory = directory
        self._landing = landing
        self._host = host if host is not None else neighbour.host_id()
        self._me = ""
        self._door: Door | None = None
        self._opened: dict[str, Way] = {}
        self._accepted: set[Way] = set()

    def open(self, me: str) -> None:
        self.close()
        self._me = me
        self._door = Door(self._directory / f"{me}{SUFFIX}", self._accept)

    def pass_on(self, member: Member, address: Address, descriptor: int, data: bytes) -> bool:
        if self._door is None or not self._is_trusted(member):
            return False
        passed = self._pass(member, address, descriptor, data)
        self.stats.steered += passed
        self.stats.kept += not passed
        return passed

    def close(self) -> None:
        if self._door is None:
            return
        self._door.close()
        self._door = None
        for member in tuple(self._opened):
            self._drop(member)
        for way in tuple(self._accepted):
            self._forget(way)

    # -- what we pass on -----------------------------------------------------------------

    def _is_trusted(self, member: Member) -> bool:
        """Whether its door is in our folder, where nobody else can make one: Redis tells the path, and sockets come with cookies."""
        return neighbour.is_near(member, self._me, self._host) and Path(member.socket).parent == self._directory

    def _pass(self, member: Member, address: Address, descriptor: int, data: bytes) -> bool:
        try:
            self._way_to(member).send(address, data, descriptor)
        except BlockingIOError:  # it is busy: its queue, or the one of those who connect, is full
            return False
        except (OSError, ValueError):  # ValueError: a path that is none, or a message too long
            self._drop(member.id)
            return False
        return True

    def _way_to(self, member: Member) -> Way:
        way = self._opened.get(member.id)
        if way is None:
            connection = unix_socket()
            try:
                connection.connect(member.socket.removesuffix(neighbour.SUFFIX) + SUFFIX)
            except (OSError, ValueError):
                connection.close()
                raise
            way = self._opened[member.id] = Way(connection, self._came_back, partial(self._drop, member.id))
        return way

    def _came_back(self, _way: Way, passed: Passed | None) -> None:
        if passed is None:
            self.stats.spoilt += 1
            return
        self._landing.take(passed.accepted, passed.data)

    def _drop(self, member: str) -> None:
        if (way := self._opened.pop(member, None)) is not None:
            way.end()

    # -- what others pass to us ------------------------------------------------------------

    def _accept(self, connection: socket.socket) -> None:
        way = Way(connection, self._arrived, lambda: self._forget(way))
        self._accepted.add(way)

    def _arrived(self, way: Way, passed: Passed | None) -> None:
        if passed is None:
            self.stats.spoilt += 1
            return
        if not self._landing.wants(passed.address) and _returned(way, passed):
            self.stats.returned += 1
            return
        self.stats.taken += 1
        self._landing.take(passed.accepted, passed.data)

    def _forget(self, way: Way) -> None:
        self._accepted.discard(way)
        way.end()


def _returned(way: Way, passed: Passed) -> bool:
    try:
        way.send(passed.address, passed.data, passed.accepted.fileno())
    except OSError:  # it has gone, or has not read what it got back before
        return False
    passed.accepted.close()
    return True
