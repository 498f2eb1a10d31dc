"""One process of load: takes a job on standard input, reports on standard output.

It ends when its input does, so a controller that dies leaves no worker behind.
"""

import asyncio
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
import uvloop

from commonroom.bench.collector import keep_quiet
from commonroom.bench.load.account import Accounts
from commonroom.bench.load.job import Act, Failed, Go, Job, Order, Progress, Report, Said, Settle, Stop, Word, decode_order, encode
from commonroom.bench.load.pacing import LAG, spin, watch_lag
from commonroom.bench.load.person import Site
from commonroom.bench.load.tally import Tally
from commonroom.bench.scenario import SCENARIOS
from commonroom.bench.scenario.scenario import Load, Scenario
from commonroom.errors import CommonroomError
from commonroom.ids import seeded
from commonroom.tasks import TaskGroup, pause

__all__ = ["main"]

REPORT_S = 0.5
PATIENCE_S = 10.0
LINE_BYTES = 64 * 1024 * 1024


class Worker:
    """The life of one job."""

    def __init__(self, say: Callable[[Word], None]) -> None:
        self._say = say
        self._tally = Tally()
        self._stopping = asyncio.Event()
        self._tasks = TaskGroup(self._crashed)
        self._spins = False
        self._scenario: Scenario[msgspec.Struct] | None = None
        self._accounts: Accounts | None = None

    async def obey(self, order: Order) -> bool:
        """Do what is asked; False when there is nothing more to come."""
        match order:
            case Job():
                self._tasks.start("prepare", self._prepare(order))
            case Go():
                self._tasks.start("drive", self._drive())
            case Stop():
                self._stopping.set()
            case Act() if self._scenario is not None:
                self._scenario.act(order.name)
            case Settle() if self._scenario is not None:
                await self._scenario.settle(order.sent, PATIENCE_S)
                self._say(Report(self._tally))
                return False
        return True

    async def close(self) -> None:
        """Leave the server and end all tasks."""
        if self._scenario is not None:
            self._scenario.close()
        await self._tasks.close()
        if self._accounts is not None:
            await self._accounts.close()

    async def _prepare(self, job: Job) -> None:
        self._spins = job.spins
        address = urlsplit(job.url)
        self._accounts = Accounts(job.url)
        site = Site(address.hostname or "127.0.0.1", address.port or 80, self._accounts, self._tasks, self._tally)
        random = seeded(f"{job.seed} {job.share}")
        load = Load(site, job.dialect, job.share, job.shares, job.shared, random, self._stopping, self._progress, {}, job.steered)
        kind = SCENARIOS[job.scenario]
        self._scenario = kind(load, msgspec.convert(job.parameters, kind.parameter_type))
        await self._scenario.prepare()
        self._say(Said("ready"))

    async def _drive(self) -> None:
        if self._scenario is None:
            return
        keep_quiet()
        if self._spins:
            spin(asyncio.get_running_loop())
        self._tasks.start("lag", watch_lag(self._tally.time(LAG)))
        self._tasks.start("reports", self._report())
        await self._scenario.drive()
        self._say(Said("driven", self._scenario.sent()))

    async def _report(self) -> None:
        while True:
            await pause(REPORT_S)
            self._say(Progress(0, 0, self._tally.delivered, self._tally.answered))

    def _progress(self, done: int, total: int) -> None:
        if done == total or not done % 20:
            self._say(Progress(done, total))

    def _crashed(self, name: str, error: BaseException) -> None:
        cause = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
        text = cause.message if isinstance(cause, CommonroomError) else f"{type(cause).__name__}: {cause}"
        self._say(Failed(f"{name}: {text}"))


async def _serve() -> None:
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    def say(word: Word) -> None:
        sys.stdout.buffer.write(encode(word))
        sys.stdout.buffer.flush()

    worker = Worker(say)
    try:
        async for line in reader:
            if not await worker.obey(decode_order(line)):
                break
    finally:
        await worker.close()


def main() -> None:
    """Run one worker."""
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
