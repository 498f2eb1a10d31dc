"""A whole node without sockets and servers: host, gateway and cluster as they are, in a process that may be killed."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from commonroom.clock import Millis
from commonroom.config.settings import ClusterSettings, EngineSettings, GatewaySettings, HttpSettings
from commonroom.engine.actor import Actor
from commonroom.engine.address import Address
from commonroom.engine.cluster.cluster import Cluster, Ports
from commonroom.engine.cluster.member import Member
from commonroom.engine.gateway import Gateway
from commonroom.engine.host import ActorHost
from commonroom.engine.testing.cluster.network import NodeWire
from commonroom.engine.testing.cluster.process import Process
from commonroom.engine.testing.cluster.redis import SimulatedCoordination, SimulatedTransport
from commonroom.engine.testing.cluster.table import SimulatedTable
from commonroom.engine.testing.journal import SimulatedJournal
from commonroom.engine.testing.loop import EPOCH_MS
from commonroom.errors import Unavailable
from commonroom.identity import Authority, Principal, SessionId
from commonroom.ids import new_id, seeded
from commonroom.storage.journal.port import JournalEvent
from commonroom.tasks import TaskGroup, pause

if TYPE_CHECKING:
    from commonroom.engine.testing.cluster.world import ClusterWorld

__all__ = ["Node"]

LIFE_MS = 365 * 86400 * 1000


class SkewedClock:
    """Cluster time as this node has it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, skew_ms: int) -> None:
        self._loop = loop
        self._skew_ms = skew_ms

    def now(self) -> Millis:
        return Millis(EPOCH_MS + round(self._loop.time() * 1000) + self._skew_ms)


class Node:
    """One life of a node.

    Args:
        number: which life of all, for its seeds.
    """

    def __init__(
        self,
        world: "ClusterWorld",
        name: str,
        number: int,
        kinds: Mapping[str, Callable[[Address], Actor]],
        settings: tuple[EngineSettings, ClusterSettings],
    ) -> None:
        self.name = name
        self.process = Process(world.loop, f"{name}#{number}")
        self.ready = False
        self.ended = False
        self.gateway: Gateway
        self.host: ActorHost
        self.cluster: Cluster
        self.journal: SimulatedJournal
        self._world = world
        self._kinds = kinds
        self._engine, self._settings = settings
        self._random = seeded(f"{world.seed} {self.process.name}")
        self._tasks = TaskGroup(world.crashed)
        self.process.soon(lambda: self._tasks.start("node", self._open()))

    @property
    def id(self) -> str:
        """Its present incarnation."""
        return self.cluster.me

    def connectable(self) -> bool:
        """Whether a client may come in."""
        return self.ready and self.process.running and not self.ended

    def drain_and_leave(self) -> None:
        """SIGTERM."""
        self.process.soon(lambda: self._tasks.start("leave", self._leave()))

    async def _open(self) -> None:
        world, random = self._world, self._random
        clock = SkewedClock(world.loop, random.randrange(-world.skew_ms, world.skew_ms + 1))
        wire = NodeWire(world.network, self.process)
        self.journal = SimulatedJournal(random, world.faults, store=world.store, wire=wire)
        ports = Ports(
            SimulatedCoordination(world.redis, world.network, self.process),
            SimulatedTable(world.store, world.network, self.process, world.faults),
            SimulatedTransport(world.redis, world.network, self.process),
            world.neighbours(self.process),
            self.journal,
            world.loop.time,
        )
        cluster = self.cluster = Cluster(self._settings, ports, self._member(), lambda member: self._member(member.weight))
        self.host = ActorHost(
            self._engine,
            clock,
            self.journal,
            cluster.relay,
            self._kinds,
            random,
            lease=cluster.lease,
            bounds=cluster,
            limits_scale=world.limits_scale,
        )
        self.gateway = Gateway(
            GatewaySettings(),
            HttpSettings(),
            clock=clock,
            router=cluster.router,
            authenticate=lambda token: _authority(token, clock.now() + LIFE_MS),
            read_events=self._read,
            history=1,
            status=world.status,
            random=random,
            monotonic=world.loop.time,
        )
        self.gateway.on_unfollowed = cluster.relay.lost_reader
        cluster.bind(self.host, self.gateway)
        cluster.recalls.on_asked = self.gateway.traces
        await self.host.open()
        while True:
            try:
                await self.cluster.open()
            except Unavailable:
                await pause(0.2)
            else:
                break
        self.ready = True

    async def _leave(self) -> None:
        self.ready = False
        await self.cluster.drain()
        self._world.disconnect(self)
        await self.cluster.close()
        await self.host.close()
        self.ended = True
        self.process.kill()

    async def _read(self, address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
        return await self.journal.read(str(address), after, limit)

    def _member(self, weight: float = 1.0) -> Member:
        ident = new_id(EPOCH_MS, self._random.getrandbits(74))
        self._world.incarnations[ident] = self.process
        return Member(ident, self.name, host="here", weight=weight)


def _authority(token: str, expires_at: int) -> Authority:
    """`ada` is the guest of that login session, `+ada` the user who signed in there."""
    sid = token.removeprefix("+")
    if token == sid:
        return Authority(Principal("guest", sid), SessionId(sid), sid, expires_at)
    return Authority(Principal("user", f"user-{sid}"), SessionId(sid), sid, expires_at, guests=(sid,))
