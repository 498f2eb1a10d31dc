"""Backfills: nothing twice, nothing left out, whoever runs them and whatever stops them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from commonroom.clock import ClusterClock
from commonroom.errors import InternalError, Unavailable
from commonroom.storage.job import JOBS, JobRunner, Step
from commonroom.storage.pool import Connection, Database, Record
from commonroom.storage.repository.job import JobRow, JobTable

NUMBERS: Final = 23
COUNT = "UPDATE counted SET times = times + 1 WHERE number > $1 AND number <= $2"


class Counting:
    """Counts how often each row was worked on."""

    about = "count"

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun: list[str] = []
        self.errors: list[Exception] = []

    async def is_needed(self, connection: Connection) -> bool:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM counted WHERE times = 0)"))

    async def step(self, connection: Connection, checkpoint: str, limit: int) -> Step:
        self.begun.append(checkpoint)
        after = int(checkpoint or 0)
        await connection.execute(COUNT, after, after + limit)
        if self.errors:
            raise self.errors.pop(0)
        upto = min(after + limit, NUMBERS)
        return Step(str(upto), upto - after, upto == NUMBERS)


@pytest.fixture
async def counted(database: Database) -> AsyncIterator[Database]:
    await database.execute("CREATE TABLE counted (number integer PRIMARY KEY, times integer NOT NULL DEFAULT 0)")
    await database.execute("INSERT INTO counted SELECT generate_series(1, $1)", NUMBERS)
    yield database
    await database.execute("DROP TABLE counted")
    await database.execute("DELETE FROM job")


async def times(database: Database) -> list[tuple[int, int]]:
    """How many rows were worked on how often."""
    rows = await database.fetch("SELECT times, count(*) FROM counted GROUP BY times ORDER BY times")
    return [(row["times"], row["count"]) for row in rows]


def runner(database: Database) -> JobRunner:
    return JobRunner(database, ClusterClock(), batch=5, least_pause_s=0.0)


async def test_P33_a_job_works_on_every_row_once_and_says_how_far_it_is(counted: Database) -> None:
    job, seen = Counting("count"), list[JobRow]()
    row = await runner(counted).run(job, on_step=seen.append)
    assert (row.state, row.done, row.reason) == ("done", NUMBERS, "")
    assert [(one.state, one.done) for one in seen] == [("running", 5), ("running", 10), ("running", 15), ("running", 20), ("done", 23)]
    assert await times(counted) == [(1, NUMBERS)]


async def test_P33_what_is_done_is_done_unless_it_is_wanted_anew(counted: Database) -> None:
    job = Counting("count")
    for _ in range(2):
        assert (await runner(counted).run(job)).done == NUMBERS
    assert (len(job.begun), await times(counted)) == (5, [(1, NUMBERS)])
    assert (await runner(counted).run(job, anew=True)).done == NUMBERS
    assert await times(counted) == [(2, NUMBERS)]


async def test_P33_two_runners_at_once_take_turns(counted: Database) -> None:
    jobs = Counting("count"), Counting("count")
    rows = await asyncio.gather(*(runner(counted).run(job) for job in jobs))
    assert [(row.state, row.done) for row in rows] == [("done", NUMBERS)] * 2
    assert await times(counted) == [(1, NUMBERS)]
    begun = sorted(int(checkpoint or 0) for job in jobs for checkpoint in job.begun)
    assert begun == [0, 5, 10, 15, 20]


async def test_P33_a_cancelled_job_stops_before_its_next_step_and_goes_on_there(counted: Database) -> None:
    job, table, steps = Counting("count"), JobTable(counted), asyncio.Queue[JobRow]()
    held = asyncio.create_task(JobRunner(counted, ClusterClock(), batch=5, least_pause_s=3600.0).run(job, on_step=steps.put_nowait))
    assert (await steps.get()).done == 5
    assert await table.cancel("count", 1)
    assert not await table.cancel("count", 2)
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)
    assert [(one.state, one.done) for one in await table.read()] == [("cancelled", 5)]
    assert (await runner(counted).run(job)).done == NUMBERS
    assert await times(counted) == [(1, NUMBERS)]


async def test_P33_a_runner_whose_job_is_cancelled_between_two_steps_ends(counted: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    table, pauses = JobTable(counted), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            assert await table.cancel("count", 1)

    monkeypatch.setattr("commonroom.storage.job.runner.pause", pause)
    row = await runner(counted).run(Counting("count"))
    assert (row.state, row.done) == ("cancelled", 10)
    assert await times(counted) == [(0, NUMBERS - 10), (1, 10)]


async def test_P33_a_step_that_fails_has_done_nothing_and_is_told(counted: Database) -> None:
    job = Counting("count")
    job.errors = [InternalError("this row cannot be\0read")]
    with pytest.raises(InternalError):
        await runner(counted).run(job)
    (row,) = await JobTable(counted).read()
    assert (row.state, row.done, row.checkpoint, row.reason) == ("failed", 0, "", "this row cannot beread")
    assert await times(counted) == [(0, NUMBERS)]
    assert (await runner(counted).run(job)).state == "done"
    assert await times(counted) == [(1, NUMBERS)]


async def test_P33_a_database_that_is_away_for_a_moment_is_waited_for(counted: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonroom.storage.job.runner.FIRST_WAIT_S", 0.0)
    monkeypatch.setattr("commonroom.storage.job.runner.MAX_FAILURES", 2)
    job = Counting("count")
    job.errors = [Unavailable("away"), Unavailable("away")]
    assert (await runner(counted).run(job)).done == NUMBERS
    assert await times(counted) == [(1, NUMBERS)]
    job.errors = [Unavailable("away")] * 3
    with pytest.raises(Unavailable):
        await runner(counted).run(job, anew=True)
    assert [(one.state, one.done) for one in await JobTable(counted).read()] == [("running", 0)]


async def test_P33_rooms_of_an_older_version_are_found_by_their_words(database: Database) -> None:
    await database.execute(
        """
        INSERT INTO room (room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id, tags)
        SELECT 'old-' || n, 'study', 'Café ' || n, 'Ruhig lernen', 'de', 'unlisted', 1000 + n, 'user', 'ada', '{prüfung}'
        FROM generate_series(1, 12) AS n
        """
    )
    await database.execute("UPDATE room SET words = array_to_tsvector('{newer}') WHERE room = 'old-7'")
    job = JOBS["room-words"]
    async with database.connection() as connection:
        assert await job.is_needed(connection)
    row = await runner(database).run(job)
    assert row.state == "done"
    async with database.connection() as connection:
        assert not await job.is_needed(connection)
    rows = await database.fetch(
        "SELECT room, tsvector_to_array(words) AS words, rank_at - created_at AS late FROM room WHERE room LIKE 'old-%'"
    )
    words = {row["room"]: sorted(row["words"]) for row in rows}
    assert words["old-3"] == ["3", "cafe", "lernen", "prufung", "ruhig"]
    assert words["old-7"] == ["newer"]
    assert {row["late"] for row in rows if row["room"] != "old-7"} == {0}
    await database.execute("DELETE FROM room WHERE room LIKE 'old-%'")
    await database.execute("DELETE FROM job")


async def test_P33_a_room_that_is_edited_while_its_words_are_sought_keeps_the_newer_ones(database: Database) -> None:
    await database.execute(
        """
        INSERT INTO room (room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id)
        VALUES ('old-edited', 'study', 'Before', '', 'en', 'unlisted', 1, 'user', 'ada')
        """
    )
    async with database.connection() as connection:
        await JOBS["room-words"].step(Interrupted(connection, database), "old-", 1)  # type: ignore[arg-type]
    assert await database.fetchval("SELECT tsvector_to_array(words) FROM room WHERE room = 'old-edited'") == ["after"]
    await database.execute("DELETE FROM room WHERE room = 'old-edited'")


class Interrupted:
    """A connection of somebody who is overtaken between reading and writing."""

    def __init__(self, connection: Connection, database: Database) -> None:
        self._connection = connection
        self._database = database

    async def fetch(self, query: str, *values: Any) -> list[Record]:
        rows = await self._connection.fetch(query, *values)
        await self._database.execute("UPDATE room SET words = array_to_tsvector('{after}') WHERE room = 'old-edited'")
        return rows

    async def execute(self, query: str, *values: Any) -> str:
        return await self._connection.execute(query, *values)
