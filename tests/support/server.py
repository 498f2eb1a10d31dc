"""A whole Commonroom server as a child process, as a person would run it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.leak import search, search_file

__all__ = ["HURRIED", "READY", "ServerProcess", "postgres_pids", "run_cli"]

HURRIED = {"COMMONROOM_LIMITS__SCALE": "1000"}
"""Settings of a server whose guests do in seconds what people do in hours."""

READY = re.compile(r"Commonroom is ready: (http://\S+)")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


def _environment(data: Path, extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMMONROOM_")}
    return {**kept, "COMMONROOM_DATA": str(data), "COMMONROOM_METRICS_PORT": "0", **extra}


async def run_cli(*arguments: str, data: Path, env: Mapping[str, str] | None = None, typed: str = "") -> tuple[int, str, str]:
    """Run one `commonroom` command, with `typed` as its input, to its end: (exit code, stdout, stderr)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "commonroom", *arguments,
        env=_environment(data, env or {}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(typed.encode()), START_TIMEOUT_S)
    search("commonroom " + " ".join(arguments), err.decode())
    return process.returncode or 0, out.decode(), err.decode()


def postgres_pids(data: Path) -> list[int]:
    """PostgreSQL processes of this data directory: the postmaster and its children."""
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name = (entry / "comm").read_text().strip()
            where = (entry / "cwd").readlink()
        except OSError:  # it ended while we looked
            continue
        if name.startswith("postgres") and where.is_relative_to(data):
            pids.append(int(entry.name))
    return pids


class ServerProcess:
    """`commonroom serve` on a free port of loopback; restarts keep port and data."""

    def __init__(self, data: Path, env: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        self.url = ""
        self._env = dict(env or {})
        self._port = "0"
        self._searched = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/ws"

    async def start(self) -> None:
        """Start and wait for the ready line."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "commonroom", "serve", "--port", self._port,
                env=_environment(self.data, self._env), stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self.url = await asyncio.wait_for(self._ready(), START_TIMEOUT_S)
        self._port = self.url.rpartition(":")[2]

    async def _ready(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if found := READY.search(line.decode()):
                return found[1]
        code = await self._process.wait()
        raise AssertionError(f"server ended with {code} before it was ready:\n{self.log.read_text()[-4000:]}")

    async def kill(self) -> None:
        """kill -9: nothing of the process gets to run again."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        return await self._end(signal.SIGTERM)

    async def close(self) -> None:
        """End it whatever its state; for fixtures."""
        if self._process is not None and self._process.returncode is None:
            await self.stop()

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        self._searched = search_file(self.log, self._searched)
        return code
