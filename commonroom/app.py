"""A node, put together: the one place that knows every part.

Parts open from the bottom up (database, journal, actors, sockets) and close in the
reverse order, so that what is acknowledged is always on its way to the disk.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog
import uvloop
from aiohttp import web
from msgspec.structs import asdict

from commonroom import log as logging
from commonroom.actors import KINDS
from commonroom.clock import ClusterClock
from commonroom.config.check import is_production
from commonroom.config.loader import Loaded
from commonroom.config.settings import Settings
from commonroom.engine.address import Address
from commonroom.engine.envelope import Publication
from commonroom.engine.gateway import Gateway
from commonroom.engine.host import ActorHost
from commonroom.engine.lag import BOUNDS_S, LoopLag
from commonroom.engine.local import LocalRouter
from commonroom.errors import ConfigError, Unavailable
from commonroom.http.application import build
from commonroom.http.connection import connections
from commonroom.http.metrics import Buckets, Reading, Value, build_metrics
from commonroom.http.page_cache import PageCache
from commonroom.http.services import Services
from commonroom.ids import new_secret, seeded
from commonroom.protocol.wire import DurablePush
from commonroom.storage.database_clock import compare
from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import JournalEvent
from commonroom.storage.migration import migrate
from commonroom.storage.node_lock import NodeLock
from commonroom.storage.pool import Database
from commonroom.storage.projection.message import MessageProjection
from commonroom.storage.projection.room import RoomProjection
from commonroom.storage.projection.runner import ProjectionRunner
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.message import Messages
from commonroom.storage.repository.room import Rooms
from commonroom.storage.repository.signing_key import SigningKeys
from commonroom.storage.slot_table import PostgresSlotTable, claim_all
from commonroom.tasks import TaskGroup, pause
from commonroom.token import PURPOSE, SigningKey, WsTokens

__all__ = ["Node", "run"]

log = structlog.get_logger(__name__)

CLOCK_CHECK_S = 30.0


class _LateSubscribers:
    """The gateway, for a host that is made before it. Its methods are the gateway's own: no call in between."""

    publish: Callable[[Address, Publication], None]
    activated: Callable[[Address, str, int], None]
    count: Callable[[Address], int]

    def bind(self, gateway: Gateway) -> None:
        self.publish = gateway.publish
        self.activated = gateway.activated
        self.count = gateway.count


class Node:
    """One process: gateway, HTTP and actor host over one database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        self.stopping = asyncio.Event()
        self.lost_lock = False
        self._clock = ClusterClock()
        self._parts = AsyncExitStack()
        self._tasks = TaskGroup(_crashed)
        self._database: Database
        self._journal: PostgresJournal
        self._host: ActorHost
        self._gateway: Gateway
        self._projections: ProjectionRunner
        self._lag = LoopLag()
        self._draining = False

    async def open(self) -> None:
        """Start all parts; the node serves when this returns.

        Raises:
            ConfigError: it cannot run like this (exit 2).
            Unavailable: the database does not answer (exit 2).
        """
        try:
            dsn = await self._open_database()
            await self._open_journal(dsn)
            await self._open_edge()
        except BaseException:
            await self._parts.aclose()
            raise
        self._tasks.start("clock", self._follow_clock())
        self._tasks.start("loop lag", self._lag.watch())
        self._parts.push_async_callback(self._tasks.close)

    async def close(self) -> None:
        """Stop taking, tell the clients to come back, finish what is under way."""
        self._draining = True
        self._gateway.begin_drain()
        await self._parts.aclose()

    async def _open_database(self) -> str:
        dsn = self.settings.postgres.url
        if not dsn:
            postgres = EmbeddedPostgres()
            await postgres.start(self.settings.data, on_restart=_note)
            self._parts.push_async_callback(postgres.stop)
            dsn = postgres.url
            if postgres.note:
                _note(postgres.note)
        lock = NodeLock(dsn, self._lock_lost)
        await lock.take()
        self._parts.push_async_callback(lock.release)
        await migrate(dsn)
        self._database = await Database.open(dsn, self.settings.postgres)
        self._parts.push_async_callback(self._database.close)
        await compare(self._database, self._clock)
        return dsn

    async def _open_journal(self, dsn: str) -> None:
        self._journal = PostgresJournal(dsn, self._database, settings=self.settings.postgres, on_trouble=_note)
        await self._journal.open()
        self._parts.push_async_callback(self._journal.close)
        await claim_all(PostgresSlotTable(self._database), self._journal, "node")
        self._projections = ProjectionRunner(self._database, self._journal, (RoomProjection(), MessageProjection()), _note)
        await self._projections.start()
        self._parts.push_async_callback(self._projections.close)

    async def _open_edge(self) -> None:
        settings = self.settings
        messages = Messages(self._database)
        late = _LateSubscribers()
        random = seeded(new_secret())

        async def load_facts(address: Address, offset: int) -> tuple[DurablePush, ...]:
            return await messages.events_of(address.key, offset)

        async def read_events(address: Address, after: int, limit: int) -> Sequence[JournalEvent]:
            return await self._journal.read(str(address), after, limit)

        self._host = ActorHost(settings.engine, self._clock, self._journal, late, KINDS, random, load_facts)
        router = LocalRouter(self._host)
        keys = await SigningKeys(self._database).of(PURPOSE, self._clock.now())
        tokens = WsTokens([SigningKey(key.kid, key.secret) for key in keys], self._clock, settings.http.ws_token_ttl_s)
        self._gateway = gateway = Gateway(
            settings.gateway,
            settings.http,
            clock=self._clock,
            router=router,
            authenticate=tokens.verify,
            read_events=read_events,
            history=self._journal.history,
        )
        late.bind(gateway)
        services = Services(
            settings.http,
            is_production(settings),
            self._clock,
            router,
            LoginSessions(self._database),
            Rooms(self._database),
            messages,
            tokens,
            gateway.adopt,
            self._unready,
            PageCache(),
        )
        await self._listen(services)

    async def _listen(self, services: Services) -> None:
        http = self.settings.http
        await self._host.open()
        self._parts.push_async_callback(self._host.close)
        runner = web.AppRunner(build(services), handle_signals=False, access_log=None)
        await runner.setup()
        self._parts.push_async_callback(runner.cleanup)
        if runner.server is None:
            raise ConfigError("the HTTP server was not set up")
        await self._listen_metrics()
        self._parts.push_async_callback(self._gateway.close)
        try:
            await self._gateway.start(connections(runner.server))
        except OSError as error:
            raise ConfigError(f"cannot listen on {http.host}:{http.port}: {_reason(error)}") from None
        shown = f"[{http.host}]" if ":" in http.host else http.host
        self.url = http.public_url or f"http://{shown}:{self._gateway.port}"

    async def _listen_metrics(self) -> None:
        http = self.settings.http
        readings: dict[str, Reading] = {
            "engine": self._read_engine,
            "gateway": self._read_gateway,
            "journal": self._read_journal,
            "storage": self._read_storage,
        }
        runner = web.AppRunner(build_metrics(readings), handle_signals=False, access_log=None)
        await runner.setup()
        self._parts.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, http.metrics_host, http.metrics_port).start()
        except OSError as error:
            raise ConfigError(f"cannot listen for metrics on {http.metrics_host}:{http.metrics_port}: {_reason(error)}") from None

    # -- what metrics and /readyz read ------------------------------------------

    def _read_engine(self) -> dict[str, Value]:
        stats = self._host.stats
        totals: dict[str, Value] = {f"{name}_total": count for name, count in asdict(stats).items() if name != "live"}
        lag = Buckets(BOUNDS_S, self._lag.counts, self._lag.total_s)
        return {**totals, "live": stats.live, "loop_lag_seconds": lag, "clock_offset_ms": self._clock.offset_ms}

    def _read_gateway(self) -> dict[str, Value]:
        stats = self._gateway.stats
        totals: dict[str, Value] = {f"{name}_total": getattr(stats, name) for name in stats.TOTALS}
        closes: dict[str, Value] = {f"closes_{code}_total": count for code, count in stats.closes.items()}
        now: dict[str, Value] = {"connections": stats.connections, "sessions": stats.sessions, "subscriptions": stats.subscriptions}
        return {**totals, **closes, **now, "refusals_total": stats.refusals.total()}

    def _read_storage(self) -> dict[str, Value]:
        return {"statements_total": self._database.statements + self._journal.calls}

    def _read_journal(self) -> dict[str, Value]:
        return {
            "queued_rows": self._journal.queued_rows,
            "healthy": float(self._journal.healthy),
            "projected_events_total": self._projections.applied_events,
            "projection_queued_slots": self._projections.queued_slots,
        }

    async def _unready(self) -> list[str]:
        reasons = ["draining"] if self._draining else []
        if not self._journal.healthy:
            reasons.append("the journal waits for the database")
        try:
            await self._database.fetchval("SELECT 1")
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
                await compare(self._database, self._clock)
            except Unavailable as error:
                log.warning("clock_not_compared", reason=error.message)


def run(loaded: Loaded) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigError: it cannot run like this.
        Unavailable: the database does not answer at the start.
    """
    settings = loaded.settings
    logging.configure(settings.log.level, settings.log.format)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    node = Node(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.stopping.set)
    await node.open()
    gc.collect()
    gc.freeze()  # what is there now lives as long as the process: no need to look at it again
    sys.stdout.write(f"Commonroom is ready: {node.url}\n")
    sys.stdout.flush()
    await node.stopping.wait()
    await node.close()
    if node.lost_lock:
        raise ConfigError("another Commonroom server uses this database")


def _note(line: str) -> None:
    log.warning("storage", what=line)


def _crashed(name: str, error: BaseException) -> None:
    log.error("node_task_failed", task=name, error=type(error).__name__, exc_info=error)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
