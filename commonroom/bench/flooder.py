"""One process that sends all it can: what that costs the sender does not count as what others wait.

Floods from each line on standard input to the next, says how often it was connected when that ends, and ends then.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from commonroom.bench.collector import keep_quiet
from commonroom.bench.inhabitant import inhabitant
from commonroom.bench.load.person import Person
from commonroom.bench.scenario.scenario import until
from commonroom.errors import Unavailable
from commonroom.ids import new_id
from commonroom.protocol.chat import MessageSend
from commonroom.tasks import TaskGroup

__all__ = ["Process", "flooder", "main"]

READY = b"ready\n"
PATIENCE_S = 20.0


class Process:
    """A flooder, seen from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lives = 0
        """Its connections, once it has ended."""

    async def ready(self) -> None:
        """Wait until it has entered.

        Raises:
            Unavailable: it could not.
        """
        if self._process.stdout is None or await self._process.stdout.readline() != READY:
            raise Unavailable("nobody could enter to flood")

    def turn(self) -> None:
        """Begin to flood, or pause."""
        if self._process.stdin is not None:
            self._process.stdin.write(b"\n")

    async def end(self) -> None:
        """Wait until it has left.

        Raises:
            Unavailable: it went wrong meanwhile.
        """
        said, _ = await self._process.communicate(b"")  # which ends its input
        if self._process.returncode:
            raise Unavailable("the flood ended by itself")
        self.lives = int(said)


@asynccontextmanager
async def flooder(url: str, port: int, number: int, sends: int) -> AsyncIterator[Process]:
    """One who has entered, see `inhabitant`, and leaves at the end.

    Args:
        sends: commands of one connection, written at once.

    Raises:
        Unavailable: see `Process`.
    """
    pipe = asyncio.subprocess.PIPE
    arguments = (url, str(port), str(number), str(sends))
    process = Process(await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, *arguments, stdin=pipe, stdout=pipe))
    try:
        await process.ready()
        yield process
    finally:
        await process.end()


class Flooder(Person):
    """Sends all it can, and comes back at once when it is closed."""

    lives = 0

    async def flood(self, sends: int) -> None:
        """Until cancelled."""
        self.comes_back = False
        frames = b"".join(self._speech.command(MessageSend(0, self.room, "hello", new_id(0))) for _ in range(sends))
        while True:
            if not self.connected:
                await self.connect()
            self.lives += 1
            self.write(frames)
            await until(lambda: not self.connected, PATIENCE_S)

    def personal(self, message: Any) -> None:
        super().personal(message)
        if isinstance(message, tuple):  # the server closes: wait for nothing more
            self.cut()


async def _serve(url: str, port: int, number: int, sends: int) -> int:
    """Exit code."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = TaskGroup(lambda _name, _error: None)
    person = await inhabitant(url, port, tasks, number, Flooder)
    keep_quiet()
    _say(READY)
    flood: asyncio.Task[None] | None = None
    went_wrong = False
    async for _ in reader:
        if flood is None:
            flood = tasks.start("flood", person.flood(sends))
        else:
            flood.cancel()
            await asyncio.wait({flood})
            went_wrong |= not flood.cancelled()
            flood = None
    person.comes_back = False
    person.leave()
    await tasks.close()
    _say(b"%d\n" % person.lives)
    return int(went_wrong)


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def main() -> None:
    """Run one."""
    url, port, number, sends = sys.argv[1:]
    sys.exit(uvloop.run(_serve(url, int(port), int(number), int(sends))))


if __name__ == "__main__":
    main()
