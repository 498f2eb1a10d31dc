"""A Redis of the kit: membership as the Lua scripts do it, and Pub/Sub; it may forget everything at any moment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.port import TransportEvents
from commonroom.engine.testing.cluster.network import Network
from commonroom.engine.testing.cluster.process import Process

__all__ = ["SimulatedCoordination", "SimulatedRedis", "SimulatedTransport"]

SERVER = "redis"


@dataclass
class _Keys:
    """Everything that a wipe loses."""

    born_s: float
    last_s: float
    version: int
    slots_version: int
    members: dict[str, Member] = field(default_factory=dict)
    beats: dict[str, float] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)


class SimulatedRedis:
    """The server.

    Args:
        now_s: its clock.
        ttl_s: life of a member after its last beat.
    """

    def __init__(self, now_s: Callable[[], float], ttl_s: float) -> None:
        self._now_s = now_s
        self._ttl_s = ttl_s
        self._numbers = count(1000)
        self.quiet_until_s = 0.0
        self.subscribers: dict[str, SimulatedTransport] = {}
        self._keys: _Keys | None = None

    def wipe(self) -> None:
        """FLUSHALL."""
        self._keys = None

    def disconnect(self) -> None:
        """All connections end, as by a restart or `CLIENT KILL`: who listens, listens anew, and knows that it missed something."""
        subscribers, self.subscribers = self.subscribers, {}
        for transport in subscribers.values():
            transport.cut_off()

    # -- the scripts -------------------------------------------------------------------

    def beat(self, member: Member, view: View) -> View:
        keys, now_s = self._alive(), self._now_s()
        if member.id in keys.dead:
            return View(keys.version, view.members, quiet=True, expelled=True, slots_version=keys.slots_version)
        if now_s - keys.last_s > self._ttl_s:
            keys.born_s = now_s
        keys.last_s = now_s
        if keys.members.get(member.id) != member:
            keys.members[member.id] = member
            keys.version = next(self._numbers)
        keys.beats[member.id] = now_s
        quiet = self._quiet(keys)
        if not quiet:
            for name in [name for name, at in keys.beats.items() if at < now_s - self._ttl_s]:
                self._bury(keys, name)
        return View(keys.version, dict(keys.members), quiet=quiet, slots_version=keys.slots_version)

    def leave(self, name: str) -> None:
        self._bury(self._alive(), name)

    def expel(self, name: str) -> bool:
        keys = self._alive()
        if self._quiet(keys):
            return False
        self._bury(keys, name)
        return True

    def note_slots(self) -> None:
        self._alive().slots_version = next(self._numbers)

    def _alive(self) -> _Keys:
        if self._keys is None:
            now_s = self._now_s()
            self._keys = _Keys(now_s, now_s, next(self._numbers), next(self._numbers))
        return self._keys

    def _quiet(self, keys: _Keys) -> bool:
        return self._now_s() < keys.born_s + 2 * self._ttl_s

    def _bury(self, keys: _Keys, name: str) -> None:
        keys.dead.add(name)
        keys.beats.pop(name, None)
        if keys.members.pop(name, None) is not None:
            keys.version = next(self._numbers)


class SimulatedCoordination:
    """Implements `Coordination` for one process."""

    def __init__(self, redis: SimulatedRedis, network: Network, process: Process) -> None:
        self._redis = redis
        self._network = network
        self._process = process

    async def beat(self, member: Member, view: View) -> View:
        return await self._network.ask(self._process, SERVER, lambda: self._redis.beat(member, view))

    async def leave(self, member: str) -> None:
        await self._network.ask(self._process, SERVER, lambda: self._redis.leave(member))

    async def expel(self, member: str) -> bool:
        return await self._network.ask(self._process, SERVER, lambda: self._redis.expel(member))

    async def note_slots(self) -> None:
        await self._network.ask(self._process, SERVER, self._redis.note_slots)


class SimulatedTransport:
    """Implements `Transport` for one process: Pub/Sub with everything that may go wrong."""

    def __init__(self, redis: SimulatedRedis, network: Network, process: Process) -> None:
        self._redis = redis
        self._network = network
        self._process = process
        self._me = ""
        self._events: TransportEvents | None = None
        self._connected = False

    async def open(self, me: str, events: TransportEvents) -> None:
        def subscribe() -> None:
            self._redis.subscribers[me] = self

        self._me, self._events = me, events
        try:
            await self._network.ask(self._process, SERVER, subscribe)
        except BaseException:
            self._events = None
            raise
        self._connected = True

    def send(self, to: str, parcel: bytes) -> bool:
        if not self._connected:
            return False
        if self._network.lets(self._process.name, SERVER):
            self._network.scatter(self._process.name, SERVER, self._publish, to, parcel)
        return True

    def nudge(self) -> None:
        if self._connected and self._network.lets(self._process.name, SERVER):
            self._network.scatter(self._process.name, SERVER, self._nudge_all)

    async def close(self) -> None:
        self._redis.subscribers.pop(self._me, None)
        self._connected = False
        self._events = None

    def cut_off(self) -> None:
        """The server closed our connections."""
        self._process.soon(self._disconnected)

    # -- at the server -----------------------------------------------------------------

    def _publish(self, to: str, parcel: bytes) -> None:
        target = self._redis.subscribers.get(to)
        if target is not None and target.reachable:
            self._network.deliver(SERVER, target.process_name, target.arrived, parcel)

    def _nudge_all(self) -> None:
        for target in list(self._redis.subscribers.values()):
            if target.reachable:
                self._network.deliver(SERVER, target.process_name, target.nudged)

    # -- at the receiver ---------------------------------------------------------------

    @property
    def process_name(self) -> str:
        return self._process.name

    @property
    def reachable(self) -> bool:
        return (SERVER, self._process.name) not in self._network.cut

    def arrived(self, parcel: bytes) -> None:
        self._process.soon(self._received, parcel)

    def nudged(self) -> None:
        self._process.soon(self._nudged)

    def _received(self, parcel: bytes) -> None:
        if self._events is not None:
            self._events.received(parcel)

    def _nudged(self) -> None:
        if self._events is not None:
            self._events.nudged()

    def _disconnected(self) -> None:
        if self._events is None:
            return
        self._connected = False
        self._network.later(self._network.delay() * 20, self._process.soon, self._reconnect)

    def _reconnect(self) -> None:
        if self._events is None:
            return
        if not self._network.lets(self._process.name, SERVER):
            self._network.later(0.1, self._process.soon, self._reconnect)
            return
        self._redis.subscribers[self._me] = self
        self._connected = True
        self._events.interrupted()
