"""The embedded PostgreSQL: a supervised child that never outlives its node (DESIGN 1)."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg

from commonroom.errors import ConfigError, Unavailable
from commonroom.storage.embedded.cluster import FALLBACK_ROOT, MAJOR, USER, Cluster, binaries, noted_socket
from commonroom.storage.embedded.process import Identity, choose_identity, ended, launch
from commonroom.tasks import TaskGroup, pause

__all__ = ["EmbeddedPostgres", "running"]

DATABASE = "commonroom"
START_TIMEOUT_S = 60.0
"""Crash recovery replays at most `max_wal_size`."""
STOP_TIMEOUT_S = 20.0
READY_POLL_S = 0.01
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0
LOG_CHECK_S = 60.0

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "io_method": "sync",  # no I/O workers: three processes less
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # a statement may hold what people wrote
    "log_error_verbosity": "terse",
    "update_process_title": "off",
}


class EmbeddedPostgres:
    """PostgreSQL on a private Unix socket.

    `start` on the main thread. A postmaster that dies is started again with back-off
    from 0.05 to 5 s; a dying node takes it along, also by kill -9.
    """

    def __init__(self) -> None:
        self._cluster: Cluster | None = None
        self._identity: Identity | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._on_restart: Callable[[str], None] = _ignore
        self._tasks = TaskGroup(self._crashed)

    @property
    def url(self) -> str:
        """The URL for asyncpg; the same across restarts of the child."""
        if self._cluster is None or self._cluster.socket is None:
            raise Unavailable("the embedded PostgreSQL does not run")
        return self._url(DATABASE)

    @property
    def dsn(self) -> str:
        """The same as `url`."""
        return self.url

    @property
    def pid(self) -> int:
        """The postmaster's."""
        if self._process is None:
            raise Unavailable("the embedded PostgreSQL does not run")
        return self._process.pid

    @property
    def note(self) -> str:
        """One line where it runs in another than the normal way; empty otherwise."""
        return self._identity.note if self._identity else ""

    async def start(self, data_dir: Path, *, on_restart: Callable[[str], None] | None = None) -> None:
        """Create the cluster if needed, start it, wait until it accepts connections.

        Args:
            data_dir: created if missing; the cluster is in its folder `postgres`.
            on_restart: called on the loop with one line each time the child died.

        Raises:
            ConfigError: in use by another server, not writable, of another major version.
            Unavailable: PostgreSQL does not start; the text has its last words.
        """
        self._on_restart = on_restart or _ignore
        cluster = Cluster(data_dir)
        cluster.lock()
        self._cluster = cluster
        try:
            await self._prepare(cluster)
            await self._spawn(cluster)
            await self._ensure_database()
        except BaseException:
            await self.stop()
            raise
        self._tasks.start("embedded postgres", self._supervise(cluster))
        self._tasks.start("embedded postgres log", self._bound_log(cluster))

    async def stop(self) -> None:
        """Fast shutdown: open transactions roll back, the data is checkpointed. Safe to call twice."""
        await self._tasks.close()
        if self._process is not None:
            await self._end(self._process)
            self._process = None
        if self._cluster is not None:
            self._cluster.close_socket()
            self._cluster.unlock()
            self._cluster = None

    async def _prepare(self, cluster: Cluster) -> None:
        with cluster.open_log() as log:
            self._identity = await choose_identity(binaries() / "postgres", log)
        if self._identity.mode.startswith("uid:"):
            _settle_reachable(cluster, self._identity)
        held = await cluster.alone()
        os.close(held)
        await cluster.create(self._identity)
        cluster.open_socket(self._identity)

    async def _spawn(self, cluster: Cluster) -> None:
        """Start the postmaster and wait until it is ready.

        Raises:
            Unavailable: it ended, or is not ready after `START_TIMEOUT_S`.
        """
        assert self._identity is not None  # noqa: S101 - narrows for the type checker
        alive = await cluster.alone()
        try:
            cluster.drop_stale()
            cluster.trim_log()
            with cluster.open_log() as log:
                self._process = launch(self._identity, self._command(cluster), log, pass_fds=[alive])
        finally:
            os.close(alive)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not cluster.is_ready(self._process.pid):
                    if self._process.poll() is not None:
                        raise Unavailable(f"embedded PostgreSQL did not start: {cluster.last_words()}")
                    await pause(READY_POLL_S)
        except TimeoutError:
            raise Unavailable(f"embedded PostgreSQL was not ready after {START_TIMEOUT_S:.0f} s") from None

    def _command(self, cluster: Cluster) -> list[str | Path]:
        settings = {**SETTINGS, "unix_socket_directories": str(cluster.socket)}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [binaries() / "postgres", "-D", cluster.folder, *flags]

    async def _supervise(self, cluster: Cluster) -> None:
        """Restart what died. One failed start in a row doubles the pause."""
        pause_s = FIRST_PAUSE_S
        while True:
            assert self._process is not None  # noqa: S101 - narrows for the type checker
            code = await ended(self._process)
            self._on_restart(f"embedded PostgreSQL ended with {code}, starting it again: {cluster.last_words()}")
            await pause(pause_s)
            try:
                await self._spawn(cluster)
            except (Unavailable, OSError):
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S

    async def _bound_log(self, cluster: Cluster) -> None:
        while True:
            await pause(LOG_CHECK_S)
            with suppress(OSError):  # a full disk, perhaps: tried again in a minute
                cluster.trim_log()

    async def _ensure_database(self) -> None:
        try:
            connection = await asyncpg.connect(self._url(DATABASE))
        except asyncpg.InvalidCatalogNameError:
            connection = await asyncpg.connect(self._url("postgres"))
            await connection.execute(f"CREATE DATABASE {DATABASE} STRATEGY file_copy")
        await connection.close()

    def _url(self, database: str) -> str:
        assert self._cluster is not None  # noqa: S101 - narrows for the type checker
        assert self._cluster.socket is not None  # noqa: S101
        return _url_of(self._cluster.socket, database)

    async def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Never SIGKILL: that leaves shared memory and backends behind."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            if process.poll() is None:
                process.send_signal(number)
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await ended(process)
            except TimeoutError:
                continue
            return
        raise Unavailable(f"embedded PostgreSQL {process.pid} does not stop")

    def _crashed(self, name: str, error: BaseException) -> None:
        """The supervisor itself failed: say so and supervise again."""
        self._on_restart(f"{name} supervisor failed: {error}")
        if self._cluster is not None and name == "embedded postgres":
            self._tasks.start(name, self._supervise(self._cluster))


def running(data: Path) -> str | None:
    """The URL of the server that has this data directory now; None: there seems to be none."""
    socket = noted_socket(data)
    return None if socket is None else _url_of(socket, DATABASE)


def _url_of(socket: Path, database: str) -> str:
    return f"postgresql://{USER}@/{database}?host={quote(str(socket), safe='')}"


def _settle_reachable(cluster: Cluster, identity: Identity) -> None:
    """A dedicated user must be able to walk to the data: elsewhere if the asked folder is private."""
    if _can_reach(cluster.data, identity):
        return
    folder = FALLBACK_ROOT / cluster.data.as_posix().strip("/").replace("/", "-") / f"postgres{MAJOR}"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} is not writable: {error.strerror}") from None
    cluster.folder = folder / "postgres"


def _can_reach(path: Path, identity: Identity) -> bool:
    return all(part.stat().st_mode & 0o001 or part.stat().st_uid == identity.uid for part in (path, *path.parents))


def _ignore(line: str) -> None:
    del line
