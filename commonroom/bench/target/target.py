"""The server under load: where it is and what can be known of its processes."""

import asyncio
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from commonroom.bench.target.process import children
from commonroom.errors import Unavailable

__all__ = ["Spawned", "Target", "free_port", "spawned"]

READY = re.compile(r"Commonroom is ready: (http://\S+)")
START_S = 60.0
END_S = 30.0


class Target:
    """A server somewhere.

    Args:
        metrics_url: of its /metrics; empty if that cannot be read.
    """

    raised: Mapping[str, str] = {}
    """Settings that differ from the defaults, by their names in the environment."""

    def __init__(self, url: str, metrics_url: str = "") -> None:
        self.url = url
        self.metrics_url = metrics_url

    @property
    def pids(self) -> list[int]:
        """Its own processes, PostgreSQL's not among them; empty where it runs elsewhere."""
        return []

    @property
    def postgres_pids(self) -> list[int]:
        """PostgreSQL's processes, where they can be known."""
        return []


class Spawned(Target):
    """A server of our own on a temporary data directory."""

    def __init__(self, data: Path, settings: Mapping[str, str]) -> None:
        super().__init__("")
        self.raised = settings
        self._data = data
        self._port, self._metrics_port = free_port(), free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pids(self) -> list[int]:
        return [] if self._process is None else [self._process.pid]

    @property
    def postgres_pids(self) -> list[int]:
        return [pid for own in self.pids for pid in children(own) if _name(pid) == "postgres"]

    async def start(self) -> None:
        """Start it, after an end on the same ports with the same data.

        Raises:
            Unavailable: it ended, or was not ready within 60 s.
        """
        ports = {"COMMONROOM_PORT": str(self._port), "COMMONROOM_METRICS_PORT": str(self._metrics_port)}
        log = self._data / "server.log"
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "commonroom", "serve",
                env={**os.environ, **self.raised, **ports, "COMMONROOM_DATA": str(self._data / "data")},
                stdout=asyncio.subprocess.PIPE, stderr=output, start_new_session=True,  # Ctrl-C is for the bench
            )  # fmt: skip
        try:
            async with asyncio.timeout(START_S):
                self.url = await self._ready(self._process)
        except TimeoutError:
            raise Unavailable(f"the server was not ready within {START_S:g} s") from None
        self.metrics_url = f"http://127.0.0.1:{self._metrics_port}/metrics"

    async def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """End it properly, with force after 30 s."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            await self.kill()

    async def _ready(self, process: asyncio.subprocess.Process) -> str:
        if process.stdout is None:
            raise Unavailable("the server has no standard output")
        async for line in process.stdout:
            if found := READY.search(line.decode()):
                return found[1]
        log = (self._data / "server.log").read_text(errors="replace").strip().splitlines()
        raise Unavailable(f"the server ended with {await process.wait()}: {log[-1][:300] if log else 'no word'}")


@asynccontextmanager
async def spawned(settings: Mapping[str, str]) -> AsyncIterator[Spawned]:
    """A server that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="cr-") as data:
        target = Spawned(Path(data), settings)
        try:
            await target.start()
            yield target
        finally:
            await target.stop()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
