"""`commonroom jobs …` as an operator runs them: beside a server, killed, again."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from commonroom.storage.pool import connect
from tests.support.server import run_cli

ROOMS = 1200
FOUNDED = """
INSERT INTO room (room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id)
SELECT 'old-' || lpad(n::text, 5, '0'), 'study', 'Room ' || n, '', 'en', 'public', n, 'user', 'ada' FROM generate_series(1, $1) AS n
"""
THIRD_STEP = "SELECT FROM room WHERE room = 'old-01100' FOR UPDATE"
PATIENCE_S = 60


async def started(*arguments: str, url: str, data: Path) -> asyncio.subprocess.Process:
    """A command that is left to run."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COMMONROOM_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "commonroom", *arguments, env={**env, "COMMONROOM_POSTGRES_URL": url, "COMMONROOM_DATA": str(data)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.process
async def test_P33_a_job_that_is_killed_goes_on_behind_its_last_step(data: Path, fresh_dsn: str) -> None:
    holding, looking = await connect(fresh_dsn), await connect(fresh_dsn)
    await looking.execute(FOUNDED, ROOMS)

    async def jobs(*arguments: str) -> tuple[int, Any]:
        code, out, error = await run_cli("jobs", *arguments, "--json", data=data, env={"COMMONROOM_POSTGRES_URL": fresh_dsn})
        assert out, error
        return code, json.loads(out)

    _, (listed,) = await jobs("list")
    assert (listed["name"], listed["state"], listed["needed"], listed["done"]) == ("room-words", "new", True, 0)
    async with asyncio.timeout(PATIENCE_S):
        held = holding.transaction()
        await held.start()
        await holding.execute(THIRD_STEP)  # so that it stands there and can be killed
        process = await started("jobs", "run", "room-words", url=fresh_dsn, data=data)
        while await looking.fetchval("SELECT done FROM job") != 1000:
            await asyncio.sleep(0.01)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await held.rollback()
    assert await looking.fetchval("SELECT count(*) FROM room WHERE words IS NOT NULL") == 1000
    code, row = await jobs("run", "room-words")
    assert (code, row["state"], row["done"]) == (0, "done", ROOMS)
    assert await looking.fetchval("SELECT count(*) FROM room WHERE words IS NULL") == 0
    _, (listed,) = await jobs("list")
    assert (listed["state"], listed["needed"]) == ("done", False)
    await looking.execute("UPDATE room SET words = NULL WHERE room < 'old-00003'")  # as an older version leaves them after a rollback
    _, out, _ = await run_cli("jobs", "list", data=data, env={"COMMONROOM_POSTGRES_URL": fresh_dsn})
    assert "done, needed again" in out
    code, row = await jobs("run", "room-words")
    assert (code, row["state"], row["done"]) == (0, "done", 2)
    assert await looking.fetchval("SELECT count(*) FROM room WHERE words IS NULL") == 0
    assert await jobs("cancel", "room-words") == (1, {"cancelled": False})
    code, _, error = await run_cli("jobs", "run", "no-such-job", data=data, env={"COMMONROOM_POSTGRES_URL": fresh_dsn})
    assert (code, error.count("\n"), "no-such-job" in error) == (2, 1, True)
    await holding.close()
    await looking.close()
