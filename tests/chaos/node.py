"""One node as a process, started again whenever it ends unless it was asked to leave."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from commonroom.bench.target.port import free_port
from commonroom.supervisor import launcher
from tests.chaos.ledger import Ledger
from tests.support.leak import search_file
from tests.support.link import Link

__all__ = ["CANNOT_RUN", "Node"]

READY = re.compile(rb"Commonroom is ready: \S+\s*")
CANNOT_RUN = 2
AGAIN_S = 0.2
END_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0


class Node:
    """A place in the cluster with ports, log and links of its own, whatever process is in it.

    Attributes:
        postgres, redis: its links.
        pid: of the process that runs now; 0 if none does.
        serves: whether that process is ready.
    """

    def __init__(self, name: str, folder: Path, links: tuple[Link, Link], environment: Mapping[str, str], ledger: Ledger) -> None:
        self.name = name
        self.port = free_port()
        self.metrics_port = free_port()
        self.log = folder / f"{name}.log"
        self.postgres, self.redis = links
        self.starts = 0
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("COMMONROOM_")},
            **environment,
            "COMMONROOM_PORT": str(self.port),
            "COMMONROOM_METRICS_PORT": str(self.metrics_port),
            "COMMONROOM_CLUSTER__NAME": name,
        }
        self._ledger = ledger
        self._process: Process | None = None
        self._ready = asyncio.Event()
        self._wanted = asyncio.Event()
        self._killed: set[int] = set()
        self._again_s = AGAIN_S
        self._searched = 0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def serves(self) -> bool:
        return self._ready.is_set()

    async def start(self) -> None:
        """Be there from now on; returns when it serves."""
        self._wanted.set()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        await self.until_ready()

    async def until_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._ready.wait()
        except TimeoutError:
            words = self.log.read_text(errors="replace")[-500:]
            raise AssertionError(f"{self.name} was not ready in {READY_TIMEOUT_S:.0f} s: {words}") from None

    def kill(self, again_s: float = AGAIN_S) -> None:
        """kill -9; it comes back by itself, after `again_s`."""
        self._again_s = again_s
        if self._process is not None:
            self._killed.add(self._process.pid)
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)

    def suspend(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    async def leave(self) -> None:
        """SIGTERM: it has to drain and end with 0. Says so in the ledger if it does not."""
        self._wanted.clear()
        keeper = self._keeper  # when two have it leave, the first may start it again before the second looks
        if keeper is None:
            return
        self.send(signal.SIGTERM)
        await asyncio.wait({keeper}, timeout=END_TIMEOUT_S)
        if not keeper.done():
            self._ledger.fail(f"{self.name} (pid {self.pid}) still runs {END_TIMEOUT_S:.0f} s after SIGTERM")
            self.kill()
        await keeper

    async def close(self) -> None:
        """End it whatever its state."""
        self._wanted.clear()
        self.kill()
        if self._keeper is not None:
            await self._keeper

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        while self._wanted.is_set():
            await self._live()
            if self._wanted.is_set():
                await asyncio.sleep(self._again_s)
            self._again_s = AGAIN_S

    async def _live(self) -> None:
        """One process from start to end."""
        command = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), sys.executable, "-m", "commonroom", "serve", "--node"]
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, env=self._environment, stdin=DEVNULL, stdout=PIPE, stderr=log, start_new_session=True
            )
        self._process = process
        self.starts += 1
        if not self._wanted.is_set():  # asked to leave while it was being started
            self.send(signal.SIGTERM)
        was_ready = False
        assert process.stdout is not None
        async for line in process.stdout:
            if READY.fullmatch(line):
                was_ready = True
                self._ready.set()
        self._ready.clear()
        code = await process.wait()
        self._process = None
        self._searched = search_file(self.log, self._searched)
        self._judge(process.pid, code, was_ready)

    def _judge(self, pid: int, code: int, was_ready: bool) -> None:
        """A process that never served may say that a server does not answer; any other end was asked for."""
        if pid in self._killed or (not was_ready and (code == CANNOT_RUN or not self._wanted.is_set())):
            return
        if self._wanted.is_set():
            self._ledger.fail(f"{self.name} (pid {pid}) ended by itself with {code}")
        elif code != 0:
            self._ledger.fail(f"{self.name} (pid {pid}) ended with {code} on SIGTERM")
