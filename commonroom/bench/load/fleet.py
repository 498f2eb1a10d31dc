"""The workers, as the controller has them."""

import asyncio
import sys
from collections.abc import Callable, Collection
from typing import Self

from commonroom.bench.load.job import Failed, Job, Order, Progress, Report, Said, Sent, Word, decode_word, encode
from commonroom.bench.load.tally import Tally
from commonroom.errors import Unavailable
from commonroom.tasks import TaskGroup

__all__ = ["Fleet"]

LINE_BYTES = 64 * 1024 * 1024
END_S = 10.0


class Fleet:
    """Some worker processes with one job each. `close` it, whatever happens.

    Args:
        on_progress: called with the sums over all workers.
    """

    def __init__(self, on_progress: Callable[[Progress], None]) -> None:
        self._on_progress = on_progress
        self._workers: list[asyncio.subprocess.Process] = []
        self._progress: dict[int, Progress] = {}
        self._words: asyncio.Queue[Word] = asyncio.Queue()  # bounded by what each worker may say: a word a step
        self._tasks = TaskGroup(self._crashed)

    @classmethod
    async def start(cls, jobs: list[Job], on_progress: Callable[[Progress], None]) -> Self:
        """Start one worker a job and wait until all have prepared.

        Raises:
            Unavailable: one of them failed.
        """
        fleet = cls(on_progress)
        try:
            for number, job in enumerate(jobs):
                await fleet._hire(number, job)
            await fleet.hear("ready")
        except BaseException:
            await fleet.close()
            raise
        return fleet

    @property
    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.pid for worker in self._workers]

    def order(self, order: Order) -> None:
        """Tell all."""
        for worker in self._workers:
            if worker.stdin is not None:
                worker.stdin.write(encode(order))

    async def hear(self, what: str) -> Sent:
        """Wait until all have said it; what they sent, together.

        Raises:
            Unavailable: one of them failed.
        """
        sent: Sent = {}
        for _ in self._workers:
            word = await self._word()
            if not isinstance(word, Said) or word.what != what:
                raise Unavailable(f"expected {what!r} of a worker, got {word!r}")
            for room, said in word.sent.items():
                sent.setdefault(room, {}).update(said)
        return sent

    async def tally(self) -> Tally:
        """The sum of all workers' tallies, their last words.

        Raises:
            Unavailable: one of them failed.
        """
        total = Tally()
        for _ in self._workers:
            word = await self._word()
            if not isinstance(word, Report):
                raise Unavailable(f"expected a report of a worker, got {word!r}")
            total.add(word.tally)
        return total

    async def close(self) -> None:
        """End all workers and wait for their end."""
        for worker in self._workers:
            if worker.stdin is not None:
                worker.stdin.close()
        for worker in self._workers:
            try:
                async with asyncio.timeout(END_S):
                    await worker.wait()
            except TimeoutError:
                worker.kill()
                await worker.wait()
        await self._tasks.close()

    async def _hire(self, number: int, job: Job) -> None:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "commonroom.bench.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            start_new_session=True,  # Ctrl-C is for the controller alone
        )
        self._workers.append(worker)
        if worker.stdin is not None:
            worker.stdin.write(encode(job))
        self._tasks.start("listen", self._listen(number, worker))

    async def _listen(self, number: int, worker: asyncio.subprocess.Process) -> None:
        if worker.stdout is None:
            return
        async for line in worker.stdout:
            word = decode_word(line)
            if isinstance(word, Report):  # its last one; others may still have much to settle
                await self._words.put(word)
                return
            if isinstance(word, Progress):
                self._progress[number] = word
                self._on_progress(_sum(self._progress.values()))
            else:
                await self._words.put(word)
        await self._words.put(Failed("a worker has ended"))

    async def _word(self) -> Word:
        word = await self._words.get()
        if isinstance(word, Failed):
            raise Unavailable(word.reason)
        return word

    def _crashed(self, name: str, error: BaseException) -> None:
        self._words.put_nowait(Failed(f"{name}: {error}"))


def _sum(parts: Collection[Progress]) -> Progress:
    return Progress(
        sum(part.done for part in parts),
        sum(part.total for part in parts),
        sum(part.delivered for part in parts),
        sum(part.answered for part in parts),
    )
