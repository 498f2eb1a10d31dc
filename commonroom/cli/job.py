"""`commonroom jobs …`: backfills, listed, run and cancelled by the operator, also while servers run."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from commonroom.cli.database import opened
from commonroom.clock import monotonic_s
from commonroom.errors import ConfigError
from commonroom.storage.job import JOBS, Job, JobRunner
from commonroom.storage.pool import Database
from commonroom.storage.repository.job import JobRow, JobTable

__all__ = ["Shown", "cancel", "read", "run", "table"]

TELL_S: Final = 1.0
HEADINGS: Final = ("job", "state", "rows", "what it does")


class Shown(NamedTuple):
    """A job as it is listed. `state`: as in its table, `new` where it never ran. `needed`: something is left to do."""

    name: str
    state: str
    needed: bool
    done: int
    started_at: int | None
    moved_at: int | None
    reason: str
    about: str


async def read(url: str) -> list[Shown]:
    """All jobs of this version."""
    async with opened(url) as (database, _):
        rows = {row.name: row for row in await JobTable(database).read()}
        async with database.connection() as connection:
            return [_shown(job, rows.get(name), needed=await job.is_needed(connection)) for name, job in JOBS.items()]


async def run(url: str, name: str, *, anew: bool, tell: Callable[[str], None]) -> JobRow:
    """Run a job to its end, or until it is cancelled; one that is done and needed again, from the beginning.

    Args:
        tell: called about once a second with how far it is.

    Raises:
        ConfigError: there is no such job.
        CommonroomError: see `JobRunner.run`.
    """
    job, told_s = _named(name), monotonic_s()

    def told(row: JobRow) -> None:
        nonlocal told_s
        if monotonic_s() - told_s >= TELL_S:
            told_s = monotonic_s()
            tell(f"{row.name}: {row.done} rows")

    async with opened(url) as (database, clock):
        anew = anew or await _is_needed_again(database, job)
        return await JobRunner(database, clock).run(job, anew=anew, on_step=told)


async def cancel(url: str, name: str) -> bool:
    """Have a job stop before its next step; whether it was running. Raises ConfigError: there is no such job."""
    job = _named(name)
    async with opened(url) as (database, clock):
        return await JobTable(database).cancel(job.name, clock.now())


def table(shown: Sequence[Shown]) -> str:
    """The list for a person."""
    rows = [HEADINGS, *((one.name, _state(one), str(one.done), one.about) for one in shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


async def _is_needed_again(database: Database, job: Job) -> bool:
    """Whether it was done, and an older version has left something since: a node before the upgrade's end, or after a rollback."""
    if not any(row.name == job.name and row.state == "done" for row in await JobTable(database).read()):
        return False
    async with database.connection() as connection:
        return await job.is_needed(connection)


def _state(one: Shown) -> str:
    if one.needed and one.state == "done":
        return "done, needed again"
    told = f"{one.state}: {one.reason}" if one.reason else one.state
    return told if one.needed or one.state != "new" else "not needed"


def _named(name: str) -> Job:
    if (job := JOBS.get(name)) is None:
        raise ConfigError(f"there is no job {name[:40]!r}: see commonroom jobs list")
    return job


def _shown(job: Job, row: JobRow | None, *, needed: bool) -> Shown:
    if row is None:
        return Shown(job.name, "new", needed, 0, None, None, "", job.about)
    return Shown(job.name, row.state, needed, row.done, row.started_at, row.moved_at, row.reason, job.about)
