"""The engine of a node: actor host, router and gateway, alone or as a member of a cluster."""

import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from msgspec.structs import replace

from commonroom import __version__
from commonroom.actors import KINDS
from commonroom.app.storage import Storage
from commonroom.clock import ClusterClock, monotonic_s
from commonroom.config.settings import Settings
from commonroom.engine.address import Address
from commonroom.engine.cluster.cluster import Cluster, Ports
from commonroom.engine.cluster.member import Member
from commonroom.engine.cluster.neighbour import UnixNeighbours, host_id
from commonroom.engine.cluster.port import Neighbours
from commonroom.engine.cluster.redis import ControlClient, RedisCoordination, RedisLimits, RedisTransport
from commonroom.engine.cluster.steering import UnixSteering
from commonroom.engine.envelope import Publication
from commonroom.engine.gateway import Gateway
from commonroom.engine.host import ActorHost
from commonroom.engine.local import Asker, LocalRouter
from commonroom.engine.revocation import Revocations
from commonroom.ids import new_id, new_secret, seeded
from commonroom.limit import Limiter
from commonroom.protocol.wire import DurablePush
from commonroom.storage.journal.port import JournalEvent
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.token import PrincipalTokens

__all__ = ["Engine"]

log = structlog.get_logger(__name__)


class _LateSubscribers:
    """The gateway, for a host that is made before it. Its methods are the gateway's own: no call in between."""

    publish: Callable[[Address, Publication], None]
    activated: Callable[[Address, str, int], None]
    count: Callable[[Address], int]

    def bind(self, gateway: Gateway) -> None:
        self.publish = gateway.publish
        self.activated = gateway.activated
        self.count = gateway.count


class Engine:
    """Host, router and gateway over one storage.

    Without Redis the node is the only one: commands go straight to its host, and all
    slots are its own. With it, the cluster stands between them.
    """

    def __init__(self, settings: Settings, clock: ClusterClock, storage: Storage, tokens: PrincipalTokens) -> None:
        self.cluster: Cluster | None = None
        self.transport: RedisTransport | None = None
        self.control: ControlClient | None = None
        self.clients: list[ControlClient] = []
        """Of Redis, for the node to close."""
        self.steering: UnixSteering | None = None
        self.router: Asker
        self._settings = settings
        self._clock = clock
        self._storage = storage
        self._messages = Messages(storage.database)
        self.revocations = revocations = Revocations(RevokedSessions(storage.database), clock)
        if settings.redis.url:
            self._join()
        else:
            self._stay_alone()
        self.limiter = Limiter(settings.limits.scale, self._shared_limits())
        self.gateway = Gateway(
            settings.gateway,
            settings.http,
            clock=clock,
            router=self.router,
            authenticate=lambda token: revocations.admit(tokens.verify(token), tokens.ttl_ms),
            read_events=self._read_events,
            history=storage.journal.history,
        )
        self._bind()

    def _stay_alone(self) -> None:
        self._late = _LateSubscribers()
        random = seeded(new_secret())
        self.host = ActorHost(self._settings.engine, self._clock, self._storage.journal, self._late, KINDS, random, self._load_facts)
        self.router = LocalRouter(self.host)

    def _join(self) -> None:
        settings = self._settings
        redis = settings.redis
        self.control = self._client()
        self.transport = RedisTransport(redis.url, redis.cluster, max_queued_bytes=settings.cluster.link_bytes, on_trouble=_note)
        if settings.cluster.neighbours and settings.cluster.steer_readers:
            self.steering = UnixSteering(self._socket_folder(), self)
        ports = Ports(
            RedisCoordination(self.control, redis.cluster, ttl_ms=int(settings.cluster.ttl_s * 1000)),
            self._storage.table,
            self.transport,
            self._neighbours if settings.cluster.neighbours else None,
            self._storage,
            monotonic_s,
            self.steering,
        )
        cluster = self.cluster = Cluster(settings.cluster, ports, self._member(), self._renewed)
        self.host = ActorHost(
            settings.engine,
            self._clock,
            self._storage.journal,
            cluster.relay,
            KINDS,
            seeded(new_secret()),
            self._load_facts,
            lease=cluster.lease,
            bounds=cluster,
        )
        self.router = cluster.router

    def _bind(self) -> None:
        self.revocations.close_sid = self.gateway.close_sid
        if self.cluster is None:
            self._late.bind(self.gateway)
        else:
            self.revocations.join(self.cluster)
            self.gateway.on_unfollowed = self.cluster.relay.lost_reader
            self.cluster.on_isolated = self.gateway.send_all_away
            self.gateway.steer = self.cluster.steer if self.steering is not None else None
            self.cluster.bind(self.host, self.gateway)

    def _shared_limits(self) -> RedisLimits | None:
        redis = self._settings.redis
        return RedisLimits(self._client(), redis.cluster) if redis.url else None

    def _client(self) -> ControlClient:
        self.clients.append(client := ControlClient(self._settings.redis.url))
        return client

    # -- as a member -------------------------------------------------------------------

    def _member(self) -> Member:
        http, cluster = self._settings.http, self._settings.cluster
        name = cluster.name or f"{http.host}:{http.port}"
        return Member(
            new_id(self._clock.now()),
            name,
            host=host_id(),
            weight=cluster.weight,
            version=__version__,
            port=http.port,
            metrics_port=http.metrics_port,
        )

    def _renewed(self, member: Member) -> Member:
        return replace(member, id=new_id(self._clock.now()), socket="")

    def _neighbours(self, me: str) -> Neighbours:
        return UnixNeighbours(self._socket_folder(), me, on_trouble=_note)

    def _socket_folder(self) -> Path:
        return Path(self._settings.cluster.socket_dir or Path(tempfile.gettempdir()) / f"commonroom-{os.geteuid()}")

    # -- for sockets that other nodes accepted (`Landing`) -----------------------------------

    def wants(self, address: Address) -> bool:
        return self.gateway.has_place and self.gateway.count(address) < self._settings.cluster.steer_readers

    def take(self, accepted: socket.socket, data: bytes) -> None:
        self.gateway.take(accepted, data)

    # -- what actors and readers read ------------------------------------------------------

    async def _load_facts(self, address: Address, offset: int) -> tuple[DurablePush, ...]:
        return await self._messages.events_of(address.key, offset)

    async def _read_events(self, address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
        return await self._storage.journal.read(str(address), after, limit)


def _note(line: str) -> None:
    log.warning("cluster", what=line)
