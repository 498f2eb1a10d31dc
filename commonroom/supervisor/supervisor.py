"""All workers of one machine, from the first start to the last end."""

import asyncio
import signal
from collections.abc import Callable, Sequence

import structlog

from commonroom.supervisor.worker import Worker
from commonroom.tasks import TaskGroup

__all__ = ["Supervisor"]

log = structlog.get_logger(__name__)


class Supervisor:
    """Keeps workers running until it is told to stop.

    Args:
        grace_s: how long a worker may take to end before it is killed.
        say: prints a line for whoever started us.
    """

    def __init__(self, grace_s: float, say: Callable[[str], None]) -> None:
        self._grace_s = grace_s
        self._say = say
        self._workers: Sequence[Worker] = ()
        self._all_ready = False
        self._number = signal.SIGTERM
        self._stopping = asyncio.Event()
        self._hastened = asyncio.Event()
        self._rolling = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks = TaskGroup(lambda _name, error: self.fail(error))

    def stop(self, number: signal.Signals) -> None:
        """Have all workers end by this signal; the second call kills those that are left."""
        if self._stopping.is_set():
            self._hastened.set()
            return
        self._number = number
        self._stopping.set()

    def roll(self) -> None:
        """Replace all workers, one after the other. Asked for during a replacement: once more after it."""
        self._rolling.set()

    def fail(self, error: BaseException) -> None:
        """Stop everything; `run` raises the first error it was given."""
        self._failure = self._failure or error
        self._stopping.set()

    async def run(self, workers: Sequence[Worker]) -> None:
        """Start the workers and keep them until `stop`. Returns when all have ended.

        Raises:
            ConfigError: a worker cannot run like this.
        """
        self._workers = workers
        if not self._stopping.is_set():
            keepers = [self._tasks.start(f"worker {worker.number}", worker.keep(self._ready, self._say)) for worker in workers]
            roller = self._tasks.start("rolling restart", self._roll_when_asked())
            await self._stopping.wait()
            roller.cancel()
            await self._end(keepers)
        if self._failure is not None:
            raise self._failure

    async def _end(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        for worker in self._workers:
            worker.stop(self._number)
        hastened = self._tasks.start("second signal", self._hastened.wait())
        all_ended = self._tasks.start("end of all workers", asyncio.wait(keepers))
        await asyncio.wait({hastened, all_ended}, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
        for worker in self._workers:
            if worker.pid:
                log.warning("worker_killed", worker=worker.number, pid=worker.pid, hastened=self._hastened.is_set())
            worker.stop(signal.SIGKILL)
        await all_ended
        await self._tasks.close()

    async def _roll_when_asked(self) -> None:
        while True:
            await self._rolling.wait()
            self._rolling.clear()
            for worker in self._workers:
                log.info("worker_renewing", worker=worker.number, pid=worker.pid)
                await worker.renew(self._grace_s)
            log.info("rolling_restart_done", workers=len(self._workers))

    def _ready(self, worker: Worker) -> None:
        metrics = f", metrics {worker.metrics_url}" if worker.metrics_url else ""
        self._say(f"worker {worker.number} is ready: pid {worker.pid}{metrics}")
        if not self._all_ready and all(each.url for each in self._workers):
            self._all_ready = True
            self._say(f"Commonroom is ready: {worker.url}")
