"""The engine of a node: actor host, router and gateway, alone or as a member of a cluster."""

import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from commonroom import __version__
from commonroom.actors import kinds
from commonroom.app.moderation import filter_of
from commonroom.app.storage import Storage
from commonroom.audit import Audit
from commonroom.clock import ClusterClock, monotonic_s
from commonroom.config.settings import Settings
from commonroom.engine.actor import Facts
from commonroom.engine.address import Address
from commonroom.engine.cluster.cluster import Cluster, Ports
from commonroom.engine.cluster.member import Member
from commonroom.engine.cluster.neighbour import UnixNeighbours, host_id
from commonroom.engine.cluster.port import Neighbours
from commonroom.engine.cluster.steering import UnixSteering
from commonroom.engine.envelope import Publication
from commonroom.engine.flag import Flags
from commonroom.engine.gateway import Gateway
from commonroom.engine.gateway.status import SeenLog, StatusPorts
from commonroom.engine.gateway.visits import VisitLog
from commonroom.engine.host import ActorHost
from commonroom.engine.local import Asker, LocalRouter
from commonroom.engine.notice import Notices
from commonroom.engine.revocation import Revocations
from commonroom.engine.sanction import Sanctions
from commonroom.engine.summary import Summaries
from commonroom.engine.trace import Remembered, Trace
from commonroom.errors import ChallengeFailed, Unauthenticated
from commonroom.identity import Authority
from commonroom.ids import new_id, new_secret, seeded
from commonroom.limit import Limiter, asks_of
from commonroom.limit.founding import Founding
from commonroom.limit.limit import INVITE_CODES, PROFILE_CHANGES, Part
from commonroom.storage.journal.port import JournalEvent
from commonroom.storage.repository.block import Blocks
from commonroom.storage.repository.flag import FlagTable
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.preference import Preferences
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.room import Rooms
from commonroom.storage.repository.room_list import RoomList
from commonroom.storage.repository.sanction import SanctionTable
from commonroom.storage.repository.visit import Visits
from commonroom.storage.summary import RoomSummaries
from commonroom.token import PrincipalTokens

if TYPE_CHECKING:  # a node that is alone does without Redis and its client, an eighth of all that a start imports
    from commonroom.engine.cluster.redis import ControlClient, RedisLimits, RedisTransport

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

    def __init__(self, settings: Settings, clock: ClusterClock, storage: Storage, tokens: PrincipalTokens, audit: Audit) -> None:
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
        budget_per_s = settings.gateway.fanout_writes_per_s * settings.limits.scale or inf
        self._kinds = kinds(filter_of(settings.moderation), budget_per_s, settings.rooms.idle_h * 3_600_000)
        self.revocations = revocations = Revocations(RevokedSessions(storage.database), clock)
        self.notices = Notices(clock)
        self.sanctions = sanctions = Sanctions(SanctionTable(storage.database), clock, self.notices)
        self.flags = Flags(FlagTable(storage.database), settings.flags, self.notices)
        self.room_list = RoomList(storage.database)
        self.summaries = Summaries(RoomSummaries(storage.database, storage.journal.epochs))
        self.summaries.on_written = self.tell_of_rooms
        if settings.redis.url:
            self._join()
        else:
            self._stay_alone()
        scale = settings.limits.scale
        self.limiter = Limiter(scale, self._shared_limits())
        self.founding = Founding(self.limiter, Rooms(storage.database).founded, scale)
        self.visits = VisitLog(Visits(storage.database).write, clock)
        self.preferences = Preferences(storage.database)
        self.seen = SeenLog(self.preferences.seen, clock)
        self.gateway = Gateway(
            settings.gateway,
            settings.http,
            clock=clock,
            router=self.router,
            authenticate=lambda token: sanctions.marked(revocations.admit(tokens.verify(token), tokens.ttl_ms)),
            read_events=self._read_events,
            history=storage.journal.history,
            denied=audit.denied,
            limits_scale=scale,
            admit_founder=self._admit_founder if scale or settings.challenge.site_key else None,
            admit_code=self._admit_code if scale else None,
            visited=self.visits.note,
            load_hidden=Blocks(storage.database).hidden,
            load_listed=self.room_list.now,
            shows_changes=partial(self.flags.is_on, "live_list"),
            status=StatusPorts(self.preferences.facts, self._choose_status, self.seen.note),
        )
        self._bind()

    def tell_of_rooms(self, rooms: Sequence[str]) -> None:
        """These read otherwise in the list now."""
        self.notices.tell("listing", rooms)

    async def _choose_status(self, authority: Authority, dnd: bool) -> None:
        user = authority.principal.actor_id
        verdict = await self.limiter.take(asks_of((PROFILE_CHANGES,), {"session": authority.sid}))
        verdict.require()
        if (await self.preferences.of(user)).dnd == dnd:
            return
        await self.preferences.change(user, {"dnd": dnd})
        self.notices.tell("status", [user])

    async def _admit_founder(self, authority: Authority, address: str, room: str) -> None:
        """Over the socket, whose command has no place for a challenge token."""
        if self._settings.challenge.site_key and authority.principal.actor_type == "guest":
            raise ChallengeFailed("guests have to prove being a person to open a room: they do it over HTTP")
        await self.founding.admit(authority, address, room)

    async def _admit_code(self, authority: Authority, address: str) -> None:
        subject: dict[Part, str] = {"session": authority.sid, "address": address, "user": authority.principal.actor_id}
        verdict = await self.limiter.take(asks_of(INVITE_CODES, subject, authority.principal.actor_type))
        verdict.require()

    def _stay_alone(self) -> None:
        self._late = _LateSubscribers()
        random = seeded(new_secret())
        self.host = ActorHost(
            self._settings.engine,
            self._clock,
            self._storage.journal,
            self._late,
            self._kinds,
            random,
            self._load_facts,
            limits_scale=self._settings.limits.scale,
            summaries=self.summaries,
        )
        self.router = LocalRouter(self.host)

    def _join(self) -> None:
        from commonroom.engine.cluster.redis import RedisCoordination, RedisTransport  # noqa: PLC0415 - heavy

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
            self._kinds,
            seeded(new_secret()),
            self._load_facts,
            lease=cluster.lease,
            bounds=cluster,
            limits_scale=settings.limits.scale,
            summaries=self.summaries,
        )
        self.router = cluster.router

    def _bind(self) -> None:
        self.revocations.close_sid = self.gateway.close_sid
        self.revocations.outgrown = self.gateway.outgrown
        self.host.vouched = self._vouched
        self.sanctions.changed = lambda actors: self.gateway.mark(actors, self.sanctions.marked)
        self.notices.listen("block", self.gateway.hidden.changed, self.gateway.hidden.reread)
        self.notices.listen("listing", self.gateway.listings.changed, self.gateway.listings.reread)
        self.notices.listen("status", self.gateway.statuses.changed, self.gateway.statuses.reread)
        self.gateway.hidden.on_failed = self.notices.doubt
        self.gateway.statuses.facts.on_failed = self.notices.doubt
        if self.cluster is None:
            self._late.bind(self.gateway)
        else:
            self.revocations.join(self.cluster)
            self.notices.join(self.cluster)
            self.gateway.on_unfollowed = self.cluster.relay.lost_reader
            self.cluster.on_isolated = self.gateway.send_all_away
            self.gateway.steer = self.cluster.steer if self.steering is not None else None
            self.cluster.bind(self.host, self.gateway)
            self.cluster.recalls.on_asked = self.gateway.traces

    def _vouched(self, authority: Authority) -> Authority:
        """As `authenticate`, of somebody whose token was proven already. Raises Unauthenticated."""
        if self.revocations.refuses(authority.sid):
            raise Unauthenticated("the login session has ended")
        return self.sanctions.marked(authority)

    def _shared_limits(self) -> "RedisLimits | None":
        redis = self._settings.redis
        if not redis.url:
            return None
        from commonroom.engine.cluster.redis import RedisLimits  # noqa: PLC0415 - heavy

        return RedisLimits(self._client(), redis.cluster)

    def _client(self) -> "ControlClient":
        from commonroom.engine.cluster.redis import ControlClient  # noqa: PLC0415 - heavy

        self.clients.append(client := ControlClient(self._settings.redis.url))
        return client

    @property
    def name(self) -> str:
        """The node's, for people."""
        return self._settings.cluster.name or f"{self._settings.http.host}:{self._settings.http.port}"

    # -- as a member -------------------------------------------------------------------

    def _member(self) -> Member:
        http, cluster = self._settings.http, self._settings.cluster
        return Member(
            new_id(self._clock.now()),
            self.name,
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

    # -- what is remembered of connections -------------------------------------------------

    async def recollect(self, actors: Sequence[str]) -> Remembered:
        """The connections of principals with these ids, here and on all other nodes. Raises Unavailable: too much is asked already."""
        found, complete = [(self.name, trace) for trace in self.gateway.traces(actors)], True
        if self.cluster is not None:
            told, complete = await self.cluster.recollect(actors)
            found += told
        return Remembered(sorted(found, key=_opened_at, reverse=True), complete)

    # -- for sockets that other nodes accepted (`Landing`) -----------------------------------

    def wants(self, address: Address) -> bool:
        return self.gateway.has_place and self.gateway.count(address) < self._settings.cluster.steer_readers

    def take(self, accepted: socket.socket, data: bytes) -> None:
        self.gateway.take(accepted, data)

    # -- what actors and readers read ------------------------------------------------------

    async def _load_facts(self, address: Address, offset: int) -> Facts:
        return Facts(*await self._messages.events_of(address.key, offset))

    async def _read_events(self, address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
        return await self._storage.journal.read(str(address), after, limit)


def _opened_at(told: tuple[str, Trace]) -> int:
    return told[1].opened_at


def _note(line: str) -> None:
    log.warning("cluster", what=line)
