"""Proof of death among the nodes of one machine (DESIGN 5).

Each node listens on a Unix socket named by its incarnation and holds a connection to every
other. What a connection attempt proves:

    refused              nobody listens on a socket file that its owner made before it joined: dead
    accepted             nothing: a stopped process (SIGSTOP) accepts through its backlog
    no such file         nothing: it closed in order, or lives in another file system
    anything else        nothing

The end of a held connection is only the reason to look again at once.
"""

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from commonroom.engine.cluster.member import Member
from commonroom.errors import ConfigError
from commonroom.tasks import TaskGroup, pause

__all__ = ["SUFFIX", "UnixNeighbours", "host_id", "is_near", "place_of_ours"]

SUFFIX = ".sock"
MAX_PATH_BYTES = 100
"""sockaddr_un holds 107 (unix(7)); others must be able to name it too."""
FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NETWORK = Path("/proc/self/ns/net")


def host_id() -> str:
    """Names this machine, and the container on it: equal for processes that may reach each other's sockets.

    The kernel's boot id and network namespace; the host name where there is no /proc.
    """
    try:
        return f"{BOOT_ID.read_text().strip()}/{NETWORK.readlink()}"
    except OSError:
        return socket.gethostname()


def is_near(member: Member, me: str, host: str) -> bool:
    """Whether `member` is another node of this machine, with a socket: only the file of its own incarnation tells of it."""
    return member.id != me and member.host == host and member.socket.endswith(f"/{member.id}{SUFFIX}")


@contextmanager
def place_of_ours(path: Path) -> Iterator[None]:
    """Make way for a socket at `path`, in a folder that is ours alone; the block listens there.

    Raises:
        ConfigError: the folder is not ours alone, or the path is too long, or cannot be listened on.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ConfigError(f"socket path {path} is longer than {MAX_PATH_BYTES} bytes")
    try:
        _claim(path.parent)
        path.unlink(missing_ok=True)
        yield
    except OSError as error:
        raise ConfigError(f"cannot listen on {path}: {error.strerror}") from None


class UnixNeighbours:
    """Watches the members of this machine through sockets in `directory`.

    `open` before the first beat: others take a refused connection for our death.

    Args:
        directory: made with mode 0700 if missing.
        me: our incarnation.
        host: of this machine; members of another are not watched.
        on_trouble: called with one line when a watch itself failed.
    """

    def __init__(self, directory: Path, me: str, *, host: str | None = None, on_trouble: Callable[[str], None] | None = None) -> None:
        self._path = directory / f"{me}{SUFFIX}"
        self._me = me
        self._host = host if host is not None else host_id()
        self._on_trouble = on_trouble or _ignore
        self._server: asyncio.Server | None = None
        self._held: set[asyncio.BaseTransport] = set()
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._tasks = TaskGroup(self._crashed)

    @property
    def path(self) -> str:
        """Our socket, for `Member.socket`."""
        return str(self._path)

    async def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: see `place_of_ours`.
        """
        with place_of_ours(self._path):
            self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Held(self._held), self._path)

    def watch(self, members: Mapping[str, Member], on_dead: Callable[[str], None]) -> None:
        """Hold a connection to each of `members` on this machine and to no other.

        `on_dead(id)` is called on the loop, once a member, when a connection to it is refused.
        """
        near = {member.id: member for member in members.values() if is_near(member, self._me, self._host)}
        for gone in self._watches.keys() - near.keys():
            self._watches.pop(gone).cancel()
        for new in near.keys() - self._watches.keys():
            self._watches[new] = self._tasks.start(new, _watch(near[new], on_dead))

    async def close(self) -> None:
        """Stop watching and listening. Our file goes first: a refused connection would prove us dead. Safe to call twice."""
        await self._tasks.close()
        self._watches.clear()
        if self._server is None:
            return
        self._path.unlink(missing_ok=True)
        self._server.close()
        self._server = None
        for transport in tuple(self._held):
            transport.close()

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault, or of `on_dead`: the next `watch` begins anew."""
        self._on_trouble(f"watching {name} failed: {type(error).__name__}: {error}")
        self._watches.pop(name, None)


class _Held(asyncio.Protocol):
    """An accepted connection: nothing is said on it."""

    def __init__(self, held: set[asyncio.BaseTransport]) -> None:
        self._held = held
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._held.add(transport)

    def data_received(self, data: bytes) -> None:
        del data

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._transport is not None:
            self._held.discard(self._transport)


async def _watch(member: Member, on_dead: Callable[[str], None]) -> None:
    """Until `member` is proven dead. At the end of a connection a second one is tried at once."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            await _hold(member.socket)
            pause_s = FIRST_PAUSE_S
            await _hold(member.socket)
        except ConnectionRefusedError:
            on_dead(member.id)
            return
        except (OSError, ValueError):  # ValueError: a path that is none
            pass
        await pause(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def _hold(path: str) -> None:
    """Connect and wait for the end of file. Raises what connecting raises.

    A plain socket, because the loop's own connect takes a full backlog (EAGAIN) for progress.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
        _connect(connection, path)
        while await asyncio.get_running_loop().sock_recv(connection, 64):
            pass


def _connect(connection: socket.socket, path: str) -> None:
    """Connect, or raise. A file that is no socket refuses as well, and proves nothing."""
    try:
        connection.connect(path)
    except ConnectionRefusedError:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise FileNotFoundError(path) from None
        raise


def _claim(directory: Path) -> None:
    """Make the folder, or see that it is ours alone: whoever may write there could listen in our name."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(f"socket folder {directory} must belong to uid {os.geteuid()} with mode 0700")


def _ignore(line: str) -> None:
    del line
