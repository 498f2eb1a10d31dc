"""`commonroom bench` as a person runs it: real server, real sockets."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from commonroom.bench.command import RAISED
from commonroom.bench.report.result import Result
from commonroom.bench.run import Plan, Run
from commonroom.bench.scenario import SCENARIOS
from commonroom.bench.target.process import children
from commonroom.bench.target.target import Spawned, spawned

pytestmark = pytest.mark.process

PATIENCE_S = 60
SPEAKING_TICKS = 30
"""What a worker has used of the CPU, in ticks of 10 ms, when it has long been measuring."""


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "commonroom", "bench", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


async def output(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def run(*arguments: str) -> tuple[int, str, str]:
    return await output(await started(*arguments))


WORK: dict[str, dict[str, Any]] = {
    "fanout": {"sockets": 6, "publishers": 2, "rate_per_s": 200},
    "request": {"sockets": 4, "rooms": 2},
    "join-storm": {"sockets": 12, "rooms": 2},
    "resume-storm": {"sockets": 8, "rooms": 2, "missed": 3, "within_s": 0.1},
    "idle": {"sockets": 4, "rooms": 2},
    "timers": {"rooms": 20, "phase_s": 4},
    "presence": {"viewers": 3, "flappers": 3, "rate_per_s": 40},
    "listing": {"rooms": 20, "connections": 2, "walks": True, "churn_per_s": 10},
    "mixed": {"rooms": 2},
    "soak": {"rooms": 2},
}


@pytest.mark.usefixtures("outside_postgres")
async def test_a_run_writes_its_result_as_json_csv_and_picture(tmp_path: Path) -> None:
    csv, plot = tmp_path / "run.csv", tmp_path / "run.svg"
    work = ["--rooms=2", "--members=2", "--seconds=0.5", "--workers=2"]
    code, out, err = await run("chat", *work, "--quiet", "--json=-", f"--csv={csv}", f"--plot={plot}")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["failures"] == []
    assert result["tally"]["flaws"] == {"lost": 0, "duplicated": 0, "reordered": 0, "corrupted": 0}
    assert result["rows"]
    assert result["server"]["cpu_s"] > 0
    assert result["banner"]["scenario"] == "chat"
    assert csv.read_text().startswith("scenario,commit,name,value,unit")
    assert plot.read_text().startswith("<svg")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(own_dsn: str) -> AsyncIterator[Spawned]:
    """One server for all scenarios: each has rooms of its own."""
    own = {name: value for scenario in WORK for name, value in SCENARIOS[scenario].server_settings.items()}
    async with spawned({**RAISED, **own, "COMMONROOM_POSTGRES_URL": own_dsn}) as target:
        yield target


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scenario", WORK)
async def test_every_scenario_runs_and_finds_nothing_wrong(scenario: str, target: Spawned) -> None:
    seed = [*WORK].index(scenario)  # rooms of the same seed have the same ids
    plan = Plan(scenario, SCENARIOS[scenario].parameter_type(**WORK[scenario]), seconds=0.5, seed=seed)
    result: Result = await Run(plan, target, lambda *_: None, asyncio.Event()).result()
    assert result.failures == []
    flaws = result.tally.flaws
    assert (flaws.lost, flaws.duplicated, flaws.reordered, flaws.corrupted) == (0, 0, 0, 0)
    assert result.rows
    assert result.server.cpu_s


@pytest.mark.asyncio(loop_scope="module")
async def test_a_crowd_that_reads_in_bulk_has_everything_in_the_end(target: Spawned) -> None:
    among = {"sockets": 6, "rooms": 1, "within_s": 0.3, "members": 14, "chat_per_s": 20, "calm_s": 0.2, "apart": True}
    plan = Plan("join-storm", SCENARIOS["join-storm"].parameter_type(**among), seconds=0.5, workers=2, seed=len(WORK))
    result: Result = await Run(plan, target, lambda *_: None, asyncio.Event()).result()
    assert result.failures == []
    assert result.tally.flaws.lost == 0
    assert result.tally.delivered >= 14 * result.tally.sent > 0


def test_no_scenario_is_forgotten() -> None:
    assert set(WORK) | {"chat"} == set(SCENARIOS)


@pytest.mark.usefixtures("outside_postgres")
@pytest.mark.parametrize("fault", ["kill-node", "drop-sockets"])
async def test_what_was_acknowledged_survives_a_fault(fault: str) -> None:
    code, out, err = await run("chat", "--rooms=2", "--members=2", "--rate-per-s=50", "--seconds=3", f"--fault={fault}", "--quiet")
    assert code == 0, out + err
    assert "delivery check passed" in out


async def test_bad_options_are_refused_in_one_line() -> None:
    code, _, err = await run("fanout", "--sockets=0", "--quiet")
    assert (code, len(err.splitlines())) == (2, 1)
    code, _, err = await run("chat", "--url=http://127.0.0.1:9", "--quiet")
    assert (code, len(err.splitlines())) == (2, 1)


@pytest.mark.usefixtures("outside_postgres")
async def test_ctrl_c_prints_what_was_measured_and_leaves_no_process() -> None:
    process = await started("chat", "--rooms=2", "--members=8", "--rate-per-s=200", "--seconds=60")
    async with asyncio.timeout(PATIENCE_S):
        while not (joined := _spent_by_who_has_joined(process.pid)):
            assert process.returncode is None
            await asyncio.sleep(0.05)
        while _spent_by_who_has_joined(process.pid) < joined + SPEAKING_TICKS:
            assert process.returncode is None
            await asyncio.sleep(0.05)
    family = children(process.pid)
    process.send_signal(signal.SIGINT)
    code, out, _ = await output(process)
    assert code == 0
    assert "INTERRUPTED" in out
    assert "acks per second" in out
    assert family
    assert not _alive(family)


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def _spent_by_who_has_joined(pid: int) -> int:
    """What its worker has used of the CPU, in ticks of 10 ms, if all members have their sockets; else 0."""
    for child in children(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            if b"commonroom.bench.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return _cpu_ticks(child) if len([*Path(f"/proc/{child}/fd").iterdir()]) > 2 * 8 else 0
    return 0


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
