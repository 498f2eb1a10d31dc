"""A server that takes part in a comparison: ours, or a peer as a child process."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from commonroom.bench.target.port import free_port
from commonroom.bench.target.process import children
from commonroom.bench.target.target import Target
from commonroom.errors import Unavailable

__all__ = ["Child", "launched"]

START_S = 30.0
END_S = 5.0


class Child(Target):
    """A server that prints `ready` when it listens on the port in its environment."""

    def __init__(self, url: str, process: asyncio.subprocess.Process) -> None:
        super().__init__(url)
        self._process = process

    @property
    def pids(self) -> list[int]:
        return [self._process.pid, *children(self._process.pid)]


@asynccontextmanager
async def launched(name: str, argv: Sequence[str], environment: Mapping[str, str], directory: str) -> AsyncIterator[Child]:
    """A child that ends with the block.

    Raises:
        Unavailable: it did not become ready.
    """
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *argv, env={**environment, "PORT": str(port)}, cwd=directory, start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _ready(name, process)
        yield Child(f"http://127.0.0.1:{port}", process)
    finally:
        await _end(process)


async def _ready(name: str, process: asyncio.subprocess.Process) -> None:
    if process.stdout is None:
        raise Unavailable(f"{name} has no standard output")
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise Unavailable(f"{name} was not ready within {START_S:g} s") from None
    if line.strip() != b"ready":
        raise Unavailable(f"{name} did not start: {line[:100].decode(errors='replace').strip() or 'it ended'}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
