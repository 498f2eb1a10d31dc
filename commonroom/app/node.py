"""One node: storage, engine, HTTP, opened from the bottom up and closed in the reverse order.

What is acknowledged is so always on its way to the disk. Among others a node *drains*
first: no new clients, slots handed over while it serves, sockets closed one after another.
"""

import asyncio
import os
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from commonroom.actors import OUTBOXES
from commonroom.app.engine import Engine
from commonroom.app.keys import Keys
from commonroom.app.people import People
from commonroom.app.readings import Readings
from commonroom.app.storage import Storage
from commonroom.audit import Audit
from commonroom.challenge import Challenge
from commonroom.clock import ClusterClock
from commonroom.config.check import is_production
from commonroom.config.settings import Settings
from commonroom.engine.lag import LoopLag
from commonroom.engine.outbox import Outbox
from commonroom.errors import ConfigError, Unavailable
from commonroom.http.application import build
from commonroom.http.connection import Connections
from commonroom.http.metrics import build_metrics
from commonroom.http.page_cache import PageCache
from commonroom.http.services import Desk, Services
from commonroom.network import Networks
from commonroom.storage.database_clock import compare
from commonroom.storage.repository.audit import AuditLog
from commonroom.storage.repository.block import Blocks
from commonroom.storage.repository.directory import Directory
from commonroom.storage.repository.favourite import Favourites
from commonroom.storage.repository.membership import Memberships
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.personal_data import PersonalData
from commonroom.storage.repository.signing_key import SigningKeys
from commonroom.tasks import TaskGroup, pause
from commonroom.token import PrincipalTokens

__all__ = ["Node"]

log = structlog.get_logger(__name__)

CLOCK_CHECK_S = 30.0
MARGIN_S = 5.0
"""Beyond the quiet period, in which nothing can be claimed: so long a member waits for its slots before it listens."""


class Node:
    """One process: gateway, HTTP and actor host over one database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        self.stopping = asyncio.Event()
        self.lost_lock = False
        self._hasty = False
        self._clock = ClusterClock()
        self._parts = AsyncExitStack()
        self._tasks = TaskGroup(_crashed)
        self._lag = LoopLag()
        self._storage = Storage(settings, self._clock, self._parts, self._lock_lost)
        self._engine: Engine
        self._people: People
        self._draining = False

    async def open(self) -> None:
        """Start all parts; the node serves when this returns.

        Raises:
            ConfigError: it cannot run like this (exit 2).
            Unavailable: the database or Redis does not answer (exit 2).
        """
        try:
            await self._storage.open()
            await self._open_engine()
            await self._storage.tell_of_jobs()
        except BaseException:
            await self._parts.aclose()
            raise
        self._tasks.start("clock", self._follow_clock())
        self._tasks.start("loop lag", self._lag.watch())
        self._parts.push_async_callback(self._tasks.close)

    def stop(self, hasty: bool = False) -> None:
        """Begin to end. Hasty, or asked for a second time: without waiting for clients."""
        self._hasty = hasty or self.stopping.is_set()
        self.stopping.set()

    async def close(self) -> None:
        """Take nobody new, hand over what others can take, tell the clients to come back, finish what is under way."""
        self._draining = True
        self._engine.gateway.begin_drain()
        if self._engine.cluster is not None:
            await self._drain()
        await self._parts.aclose()

    async def _drain(self) -> None:
        cluster, gateway = self._engine.cluster, self._engine.gateway
        if cluster is None or not cluster.has_others:
            return
        if self.settings.http.reuse_port:
            gateway.stop_listening()  # the other workers have the port
        drain_s = 0.0 if self._hasty else self.settings.cluster.drain_s
        try:
            async with asyncio.timeout(drain_s + MARGIN_S):
                await asyncio.gather(cluster.drain(), gateway.send_away(drain_s, lambda: self._hasty))
        except TimeoutError:
            log.warning("drained_in_part", slots=len(cluster.ownership.here))

    # -- opening -----------------------------------------------------------------------

    async def _open_engine(self) -> None:
        http, database = self.settings.http, self._storage.database
        keys = Keys(SigningKeys(database), self._clock)
        await keys.open()
        self._parts.push_async_callback(keys.close)
        ws_tokens = PrincipalTokens("ws", keys.ring, self._clock, http.ws_token_ttl_s)
        audit = Audit(AuditLog(database), self._clock, limits_scale=self.settings.limits.scale)
        self._parts.push_async_callback(audit.close)
        self._engine = engine = Engine(self.settings, self._clock, self._storage, ws_tokens, audit)
        self._parts.push_async_callback(engine.visits.close)
        self._parts.push_async_callback(engine.seen.close)
        await self._storage.follow([Outbox(effects, engine.router) for effects in OUTBOXES], engine.tell_of_rooms)
        people = self._people = People(self.settings, database, self._clock, lambda: self.url)
        people.open(keys.ring, engine.revocations, engine.notices, self._parts)
        challenge = Challenge(self.settings.challenge, lambda: self.url)
        self._parts.push_async_callback(challenge.close)
        services = Services(
            http,
            is_production(self.settings),
            self._clock,
            engine.router,
            lambda: self.url,
            people.logins,
            people.accounts,
            people.by_letter,
            people.flows,
            people.providers,
            people.mailer,
            people.sessions,
            people.users,
            engine.room_list,
            people.visits,
            Favourites(database),
            engine.preferences,
            Memberships(database),
            Messages(database),
            PersonalData(database),
            Blocks(database),
            engine.gateway.hidden,
            engine.notices,
            ws_tokens,
            Networks(http.trusted_proxies),
            engine.limiter,
            engine.founding,
            challenge,
            audit,
            engine.sanctions,
            self._desk(audit),
            engine.gateway.adopt,
            self._unready,
            PageCache(),
            engine.flags,
            engine.recollect,
        )
        await self._open_slots()
        await engine.revocations.open()
        self._parts.push_async_callback(engine.revocations.close)
        engine.notices.open()
        self._parts.push_async_callback(engine.notices.close)
        await engine.sanctions.open()
        self._parts.push_async_callback(engine.sanctions.close)
        await engine.flags.open()
        self._parts.push_async_callback(engine.flags.close)
        await self._listen(services)

    def _desk(self, audit: Audit) -> Desk:
        people, database = self._people, self._storage.database
        return Desk(
            people.judgement, people.sanctions, people.reports, Directory(database), people.audit, self._readings(audit).status
        )  # fmt: skip

    def _readings(self, audit: Audit) -> Readings:
        return Readings(self.settings, self._engine, self._storage, self._people, audit=audit, lag=self._lag)

    async def _open_slots(self) -> None:
        engine = self._engine
        if engine.cluster is None:
            await self._storage.claim_all()
        await engine.host.open()
        self._parts.push_async_callback(engine.host.close)
        engine.summaries.open()
        self._parts.push_async_callback(engine.summaries.close)
        if engine.cluster is None:
            return
        for client in engine.clients:
            self._parts.push_async_callback(client.close)
        await engine.cluster.open()
        self._parts.push_async_callback(engine.cluster.close)
        try:
            async with asyncio.timeout(2 * self.settings.cluster.ttl_s + MARGIN_S):
                await engine.cluster.ownership.settled()
        except TimeoutError:
            log.warning("slots_not_settled", here=len(engine.cluster.ownership.here))

    async def _listen(self, services: Services) -> None:
        http, gateway = self.settings.http, self._engine.gateway
        runner = web.AppRunner(build(services), handle_signals=False, access_log=None)
        await runner.setup()
        self._parts.push_async_callback(runner.cleanup)
        if runner.server is None:
            raise ConfigError("the HTTP server was not set up")
        await self._listen_metrics(services)
        self._parts.push_async_callback(gateway.close)
        try:
            await gateway.start(Connections(runner.server, http, gateway), reuse_port=http.reuse_port)
        except OSError as error:
            raise ConfigError(f"cannot listen on {http.host}:{http.port}: {_reason(error)}") from None
        shown = f"[{http.host}]" if ":" in http.host else http.host
        self.url = http.public_url or f"http://{shown}:{gateway.port}"

    async def _listen_metrics(self, services: Services) -> None:
        http = self.settings.http
        readings = self._readings(services.audit)
        runner = web.AppRunner(build_metrics(readings.by_area(), readings.status), handle_signals=False, access_log=None)
        await runner.setup()
        self._parts.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, http.metrics_host, http.metrics_port).start()
        except OSError as error:
            raise ConfigError(f"cannot listen for metrics on {http.metrics_host}:{http.metrics_port}: {_reason(error)}") from None

    # -- what /readyz says --------------------------------------------------------------

    async def _unready(self) -> list[str]:
        reasons = ["draining"] if self._draining else []
        cluster = self._engine.cluster  # Redis is no reason: all nodes share it, and taking one out helps nobody
        if not self._storage.journal.healthy:
            reasons.append("the journal waits for the database")
        if cluster is not None and not cluster.lease.valid():
            reasons.append("ownership is not proven")
        try:
            await self._storage.database.fetchval("SELECT 1")
        except Unavailable:
            reasons.append("the database does not answer")
        return reasons

    # -- background -------------------------------------------------------------

    def _lock_lost(self) -> None:
        self.lost_lock = True
        self.stopping.set()

    async def _follow_clock(self) -> None:
        while True:
            await pause(CLOCK_CHECK_S)
            try:
                await compare(self._storage.database, self._clock)
            except Unavailable as error:
                log.warning("clock_not_compared", reason=str(error))


def _crashed(name: str, error: BaseException) -> None:
    log.error("node_task_failed", task=name, error=type(error).__name__, exc_info=error)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
