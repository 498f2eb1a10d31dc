"""`commonroom bench` as a person runs it: real server, real sockets."""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from commonroom.bench.target.process import children

pytestmark = pytest.mark.process

PATIENCE_S = 60


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


WORK = {
    "chat": ["--rooms=2", "--members=2", "--seconds=0.5", "--workers=2"],
    "fanout": ["--sockets=6", "--publishers=2", "--rate-per-s=200", "--seconds=0.5"],
    "request": ["--sockets=4", "--rooms=2", "--seconds=0.5"],
    "join-storm": ["--sockets=12", "--rooms=2"],
    "resume-storm": ["--sockets=8", "--rooms=2", "--missed=3", "--within-s=0.1"],
    "idle": ["--sockets=4", "--rooms=2", "--seconds=0.5"],
    "timers": ["--rooms=20", "--phase-s=4"],
    "presence": ["--viewers=3", "--flappers=3", "--rate-per-s=40", "--seconds=0.5"],
    "listing": ["--rooms=20", "--connections=2", "--seconds=0.5"],
    "mixed": ["--rooms=2", "--seconds=0.5"],
    "soak": ["--rooms=2", "--seconds=0.5"],
}


@pytest.fixture
def outside_postgres(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers that are started use a database that is there already."""
    monkeypatch.setenv("COMMONROOM_POSTGRES_URL", fresh_dsn)


@pytest.mark.usefixtures("outside_postgres")
@pytest.mark.parametrize("scenario", WORK)
async def test_every_scenario_runs_and_finds_nothing_wrong(scenario: str, tmp_path: Path) -> None:
    csv, plot = tmp_path / "run.csv", tmp_path / "run.svg"
    code, out, err = await run(scenario, *WORK[scenario], "--quiet", "--json=-", f"--csv={csv}", f"--plot={plot}")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["failures"] == []
    assert result["tally"]["flaws"] == {"lost": 0, "duplicated": 0, "reordered": 0, "corrupted": 0}
    assert result["rows"]
    assert result["server"]["cpu_s"] > 0
    assert result["banner"]["scenario"] == scenario
    assert csv.read_text().startswith("scenario,commit,name,value,unit")
    assert plot.read_text().startswith("<svg")


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
    process = await started("chat", "--rooms=2", "--members=2", "--seconds=60")
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(_is_measuring, process.pid):
            assert process.returncode is None
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


def _is_measuring(pid: int) -> bool:
    """Its worker has used some CPU with sockets open: everybody has joined and speaks."""
    for child in children(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            if b"commonroom.bench.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return len([*Path(f"/proc/{child}/fd").iterdir()]) > 8 and _cpu_ticks(child) > 200
    return False


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
