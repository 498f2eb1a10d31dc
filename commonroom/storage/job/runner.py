"""Runs a job: a step, a pause, the next step.

    begin ──► running ──step: work and checkpoint in one transaction──► running ──► … ──► done
                 └──cancel──► cancelled        └──a step fails──► failed        any of them ──begin──► running

There is no lock and no heartbeat: each step takes the job's row for itself, reads the checkpoint, works, moves it. So a
runner that is killed leaves nothing behind but a step that did not happen, whoever runs the job again goes on behind the
last one that did, and two runners at once take turns.
"""

from collections.abc import Callable
from typing import Final

from commonroom.clock import Clock, monotonic_s
from commonroom.errors import CommonroomError, Unavailable
from commonroom.storage.job.job import Job
from commonroom.storage.pool import Database
from commonroom.storage.repository.job import JobRow, JobTable
from commonroom.tasks import pause

__all__ = ["BATCH", "JobRunner"]

BATCH: Final = 500
LEAST_PAUSE_S: Final = 0.02
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 5.0
MAX_FAILURES: Final = 12
"""In a row, about 45 s, until the database is taken to be gone."""


class JobRunner:
    """Runs jobs on one database.

    Args:
        batch: rows of a step.
        least_pause_s: between two steps; it lasts as long as the step did at least, so that half of the time is everybody else's.
    """

    def __init__(self, database: Database, clock: Clock, *, batch: int = BATCH, least_pause_s: float = LEAST_PAUSE_S) -> None:
        self._database = database
        self._table = JobTable(database)
        self._clock = clock
        self._batch = batch
        self._least_pause_s = least_pause_s

    async def run(self, job: Job, *, anew: bool = False, on_step: Callable[[JobRow], None] | None = None) -> JobRow:
        """Run it from where it is to its end, or until somebody cancels it; where it stands then.

        Args:
            anew: from the beginning, even if it was done.
            on_step: called after each step.

        Raises:
            Unavailable: the database was away for too long; the job may be run again.
            CommonroomError: a step cannot be done; the job has failed.
        """
        await self._table.begin(job.name, self._clock.now(), anew=anew)
        failures = 0
        while True:
            began_s = monotonic_s()
            try:
                row = await self._step(job)
            except Unavailable:
                failures += 1
                if failures > MAX_FAILURES:
                    raise
                await pause(min(FIRST_WAIT_S * 2**failures, LONGEST_WAIT_S))
                continue
            except CommonroomError as error:
                await self._table.fail(job.name, self._clock.now(), str(error))
                raise
            failures = 0
            if on_step is not None:
                on_step(row)
            if row.state != "running":
                return row
            await pause(max(self._least_pause_s, monotonic_s() - began_s))

    async def _step(self, job: Job) -> JobRow:
        async with self._database.transaction() as connection:
            row = await self._table.take(connection, job.name)
            if row.state != "running":
                return row
            step = await job.step(connection, row.checkpoint, self._batch)
            return await self._table.move(connection, job.name, step.checkpoint, step.rows, self._clock.now(), last=step.last)
