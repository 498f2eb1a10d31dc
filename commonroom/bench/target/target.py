"""The server under load: where it is and what can be known of its processes."""

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from commonroom.bench.target.port import free_ports
from commonroom.bench.target.process import children, command_name
from commonroom.errors import Unavailable
from commonroom.tasks import TaskGroup

__all__ = ["Spawned", "Target", "spawned"]

READY = re.compile(r"Commonroom is ready: (http://\S+)")
WORKER_READY = re.compile(r"worker (\d+) is ready: pid (\d+)")
START_S = 60.0
END_S = 30.0


class Target:
    """A server somewhere.

    Args:
        metrics_urls: of the /metrics of each of its nodes; empty if they cannot be read.
    """

    raised: Mapping[str, str] = {}
    """Settings that differ from the defaults, by their names in the environment."""
    nodes = 1

    def __init__(self, url: str, metrics_urls: Sequence[str] = ()) -> None:
        self.url = url
        self.metrics_urls = metrics_urls

    @property
    def pids(self) -> list[int]:
        """Its own processes, those of PostgreSQL and Redis not among them; empty where it runs elsewhere."""
        return []

    @property
    def postgres_pids(self) -> list[int]:
        """PostgreSQL's processes, where they can be known."""
        return []

    @property
    def redis_pids(self) -> list[int]:
        """Redis's process, where there is one and it can be known."""
        return []


class Spawned(Target):
    """A server of our own on a temporary data directory.

    Args:
        nodes: how many; more than one are workers of a supervisor.
        own_ports: give each worker a port of its own, so that clients can choose theirs.
    """

    def __init__(self, data: Path, settings: Mapping[str, str], nodes: int = 1, *, own_ports: bool = False) -> None:
        super().__init__("")
        self.raised = settings
        self.nodes = nodes
        self.worker_pids: list[int] = [0] * nodes if nodes > 1 else []
        """The processes of the workers by their place, as last told: one that has died may be among them."""
        self.changed = asyncio.Event()
        """Set whenever a worker is ready, for whoever clears it and waits."""
        self._data = data
        self._own_ports = own_ports and nodes > 1
        self._port, self._metrics_port = free_ports(nodes), free_ports(nodes)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks = TaskGroup(lambda _name, _error: self.changed.set())

    @property
    def pids(self) -> list[int]:
        return [] if self._process is None else [self._process.pid, *self.worker_pids]

    @property
    def postgres_pids(self) -> list[int]:
        return self._children("postgres")

    @property
    def redis_pids(self) -> list[int]:
        return self._children("redis-server")

    @property
    def supervisor_pid(self) -> int:
        """The process that was started; 0 before."""
        return 0 if self._process is None else self._process.pid

    @property
    def ports(self) -> list[int]:
        """Where clients connect, by node; all the same where the nodes share one."""
        return [self._port + (place if self._own_ports else 0) for place in range(self.nodes)]

    @property
    def postgres_log(self) -> Path:
        """What its PostgreSQL has written."""
        return self._data / "data" / "postgres.log"

    @property
    def environment(self) -> dict[str, str]:
        """What it is told; a command that is to act on the same server needs it too."""
        ports = {"COMMONROOM_PORT": str(self._port), "COMMONROOM_METRICS_PORT": str(self._metrics_port)}
        return {**self.raised, **ports, "COMMONROOM_DATA": str(self._data / "data")}

    async def start(self) -> None:
        """Start it, after an end on the same ports with the same data.

        Raises:
            Unavailable: it ended, or was not ready within 60 s.
        """
        several = ["--workers", str(self.nodes), *(["--own-ports"] if self._own_ports else [])] if self.nodes > 1 else []
        log = self._data / "server.log"
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "commonroom", "serve", *several,
                env={**os.environ, **self.environment},
                stdout=asyncio.subprocess.PIPE, stderr=output, start_new_session=True,  # Ctrl-C is for the bench
            )  # fmt: skip
        try:
            async with asyncio.timeout(START_S):
                self.url = await self._ready(self._process)
        except TimeoutError:
            raise Unavailable(f"the server was not ready within {START_S:g} s") from None
        self.metrics_urls = [f"http://127.0.0.1:{self._metrics_port + place}/metrics" for place in range(self.nodes)]
        self._tasks.start("standard output", self._listen(self._process))

    async def replaced(self, place: int, pid: int, patience_s: float = START_S) -> None:
        """Wait until the worker in this place is another process than `pid`, and ready.

        Raises:
            Unavailable: not within `patience_s`.
        """
        try:
            async with asyncio.timeout(patience_s):
                while self.worker_pids[place] == pid:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise Unavailable(f"worker {place + 1} was not replaced within {patience_s:g} s") from None

    async def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """End it properly, with force after 30 s beyond the time that its nodes may take."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT if self.nodes > 1 else signal.SIGTERM)  # SIGINT does not wait for clients
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            await self.kill()
        await self._tasks.close()

    async def _ready(self, process: asyncio.subprocess.Process) -> str:
        if process.stdout is None:
            raise Unavailable("the server has no standard output")
        async for line in process.stdout:
            self._note(line.decode())
            if found := READY.search(line.decode()):
                return found[1]
        log = (self._data / "server.log").read_text(errors="replace").strip().splitlines()
        raise Unavailable(f"the server ended with {await process.wait()}: {log[-1][:300] if log else 'no word'}")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Follow what it says to its end: workers come anew."""
        if process.stdout is not None:
            async for line in process.stdout:
                self._note(line.decode())

    def _note(self, line: str) -> None:
        if found := WORKER_READY.search(line):
            self.worker_pids[int(found[1]) - 1] = int(found[2])
            self.changed.set()

    def _children(self, name: str) -> list[int]:
        workers = set(self.worker_pids)
        return [pid for pid in children(self.supervisor_pid) if pid not in workers and command_name(pid) == name]


@asynccontextmanager
async def spawned(settings: Mapping[str, str], nodes: int = 1, *, own_ports: bool = False) -> AsyncIterator[Spawned]:
    """A server that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="cr-") as data:
        target = Spawned(Path(data), settings, nodes, own_ports=own_ports)
        try:
            await target.start()
            yield target
        finally:
            await target.stop()
