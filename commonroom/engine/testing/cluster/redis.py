"""A Redis of the kit: membership as the Lua scripts do it, and Pub/Sub; it may forget everything at any moment.

A differential test keeps the scripts here and the real ones (`engine/cluster/redis/lua`) alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.port import TransportEvents
from commonroom.engine.testing.cluster.network import Network
from commonroom.engine.testing.cluster.process import Process

__all__ = ["SimulatedCoordination", "SimulatedRedis", "SimulatedTransport"]

SERVER = "redis"


@dataclass
class _State:
    """What the scripts keep beside the members; times in milliseconds."""

    seen: int
    quiet_until: int
    version: int
    slots: int


class SimulatedRedis:
    """The server.

    Args:
        now_s: its clock.
        ttl_s: life of a member after its last beat.
    """

    def __init__(self, now_s: Callable[[], float], ttl_s: float) -> None:
        self.subscribers: dict[str, SimulatedTransport] = {}
        self._now_s = now_s
        self._ttl = int(ttl_s * 1000)
        self._state: _State | None = None
        self._members: dict[str, Member] = {}
        self._beats: dict[str, int] = {}
        self._dead: set[str] = set()

    def wipe(self) -> None:
        """FLUSHALL."""
        self._state = None
        self._members.clear()
        self._beats.clear()
        self._dead.clear()

    def disconnect(self) -> None:
        """All connections end, as by a restart or `CLIENT KILL`: who listens, listens anew, and knows that it missed something."""
        subscribers, self.subscribers = self.subscribers, {}
        for transport in subscribers.values():
            transport.cut_off()

    # -- the scripts -------------------------------------------------------------------

    def beat(self, member: Member, view: View) -> View:
        state = self._state if self._state is not None and not self._has_gap(self._state) else self._begin_quiet_period()
        now = state.seen = self._now()
        expelled = member.id in self._dead
        if not expelled:
            self._extend(state, member)
        quiet = now < state.quiet_until
        if not quiet:
            for name in [name for name, at in self._beats.items() if at < now - self._ttl]:
                self._bury(name)
        members = view.members if view.version == state.version else dict(self._members)
        return View(state.version, members, quiet, expelled, state.slots)

    def leave(self, name: str) -> None:
        self._bury(name)

    def expel(self, name: str) -> bool:
        state = self._state
        if state is None or self._has_gap(state) or self._now() < state.quiet_until:
            return False
        self._bury(name)
        return True

    def note_slots(self) -> None:
        if self._state is not None:
            self._state.slots += 1

    def _now(self) -> int:
        return int(self._now_s() * 1000)

    def _has_gap(self, state: _State) -> bool:
        """Whether lives may have been extended of which the store knows nothing."""
        now = self._now()
        return now < state.seen or now - state.seen > self._ttl / 2 or len(self._members) != len(self._beats)

    def _begin_quiet_period(self) -> _State:
        now, state = self._now(), self._state
        if state is None:
            self._members.clear()
            number = int(self._now_s() * 1_000_000)
            state = self._state = _State(now, 0, number, number)
        self._beats = dict.fromkeys(self._members, now)
        state.quiet_until = now + 2 * self._ttl
        state.version += 1
        return state

    def _extend(self, state: _State, member: Member) -> None:
        self._beats[member.id] = state.seen
        if self._members.get(member.id) != member:
            self._members[member.id] = member
            state.version += 1

    def _bury(self, name: str) -> None:
        self._dead.add(name)
        self._beats.pop(name, None)
        if self._members.pop(name, None) is not None and self._state is not None:
            self._state.version += 1


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
