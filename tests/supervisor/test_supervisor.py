"""Workers that die, end, are replaced or refuse: with real processes, which are only stand-ins for nodes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop
from structlog.typing import EventDict

from commonroom.errors import ConfigError
from commonroom.ids import seeded
from commonroom.supervisor import launcher
from commonroom.supervisor.backoff import Backoff
from commonroom.supervisor.supervisor import Supervisor
from commonroom.supervisor.worker import Worker

pytestmark = pytest.mark.process

CHILD = Path(__file__).with_name("child.py")
PATIENCE_S = 30.0


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


class AtOnce(Backoff):
    """No pauses; counts them."""

    def __init__(self) -> None:
        super().__init__(seeded(0))
        self.asked = 0

    def after(self, lived_s: float) -> float:
        self.asked += 1
        return 0.0


class Stage:
    """A supervisor, what it says, and what its workers went through."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.passed_on: list[str] = []
        self.logged: list[EventDict] = []
        self.supervisor = Supervisor(PATIENCE_S, self._hear)
        self.running: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def _hear(self, line: str) -> None:
        (self.said if " is ready" in line else self.passed_on).append(line)
        self._news.set()

    def worker(self, number: int, mode: str, backoff: Backoff) -> Worker:
        tied = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
        return Worker(number, [*tied, sys.executable, "-I", "-S", str(CHILD), str(self.folder), str(number), mode], os.environ, backoff)

    def start(self, *modes: str, grace_s: float = PATIENCE_S) -> list[Worker]:
        self.supervisor = Supervisor(grace_s, self._hear)
        workers = [self.worker(number, mode, AtOnce()) for number, mode in enumerate(modes, 1)]
        self.running = asyncio.create_task(self.supervisor.run(workers))
        return workers

    async def until(self, done: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                self._news.clear()
                await self._news.wait()

    async def until_said(self, start: str, times: int = 1) -> None:
        await self.until(lambda: sum(line.startswith(start) for line in self.said) >= times)

    async def ended(self) -> None:
        assert self.running is not None
        async with asyncio.timeout(PATIENCE_S):
            await self.running

    def diary(self, number: int) -> list[str]:
        return (self.folder / str(number)).read_text().split()

    def log(self, event: str) -> list[EventDict]:
        return [line for line in self.logged if line["event"] == event]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    with structlog.testing.capture_logs() as stage.logged:
        yield stage
    if stage.running is not None and not stage.running.done():
        stage.supervisor.stop(signal.SIGTERM)
        stage.supervisor.stop(signal.SIGTERM)
        await stage.ended()


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_each_worker_is_told_and_then_that_all_are_ready(stage: Stage) -> None:
    workers = stage.start("good", "good")
    await stage.until_said("Commonroom is ready: http://127.0.0.1:8000/")
    assert sorted(stage.said[:2]) == [f"worker {worker.number} is ready: pid {worker.pid}" for worker in workers]
    assert len(stage.said) == 3
    assert stage.passed_on == ["something else"] * 2, "such as a letter, while mail is not configured"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_signal_is_passed_on_and_the_end_awaited(stage: Stage, number: signal.Signals) -> None:
    workers = stage.start("good", "good")
    await stage.until_said("Commonroom is ready")
    pids = [worker.pid for worker in workers]
    stage.supervisor.stop(number)
    await stage.ended()
    assert [stage.diary(1), stage.diary(2)] == [["start", number.name]] * 2
    assert not any(map(_is_alive, pids))
    assert stage.log("worker_died") == []


async def test_a_worker_that_died_is_replaced_and_its_end_logged(stage: Stage) -> None:
    (worker,) = stage.start("good")
    await stage.until_said("worker 1 is ready")
    for times, number in enumerate((signal.SIGUSR1, signal.SIGKILL), 2):
        os.kill(worker.pid, number)
        await stage.until_said("worker 1 is ready", times)
    first, second = stage.log("worker_died")
    assert (first["worker"], first["code"], first["again_in_s"]) == (1, 3, 0.0)
    assert second["signal"] == "SIGKILL"
    assert sum(line.startswith("Commonroom is ready") for line in stage.said) == 1


async def test_the_terminal_s_ctrl_c_reaches_the_supervisor_alone(stage: Stage) -> None:
    (worker,) = stage.start("good")
    await stage.until_said("worker 1 is ready")
    assert os.getsid(worker.pid) == worker.pid != os.getsid(0)


async def test_one_that_fails_before_it_is_ready_is_tried_again(stage: Stage) -> None:
    stage.start("good", "fail:3")
    await stage.until_said("Commonroom is ready")
    assert stage.diary(2) == ["start"] * 4
    assert [line["code"] for line in stage.log("worker_died")] == [1, 1, 1]
    assert stage.diary(1) == ["start"]


async def test_the_pause_before_the_next_start_is_the_backoff_s_and_a_stop_cuts_it(stage: Stage) -> None:
    class ForEver(AtOnce):
        def after(self, lived_s: float) -> float:
            super().after(lived_s)
            stage._news.set()
            return 86400.0

    backoff = ForEver()
    stage.running = asyncio.create_task(stage.supervisor.run([stage.worker(1, "fail:1", backoff)]))
    await stage.until(lambda: backoff.asked)
    stage.supervisor.stop(signal.SIGTERM)
    await stage.ended()
    assert stage.diary(1) == ["start"]


async def test_a_worker_that_cannot_run_like_this_ends_everything(stage: Stage) -> None:
    stage.start("good", "refuse")
    with pytest.raises(ConfigError, match="worker 2 cannot run like this"):
        await stage.ended()
    assert stage.diary(2) == ["start"]


async def test_exit_code_2_of_one_that_was_ready_once_is_a_death_like_others(stage: Stage) -> None:
    refusing = stage.worker(1, "good", AtOnce())
    stage.running = asyncio.create_task(stage.supervisor.run([refusing]))
    await stage.until_said("worker 1 is ready")
    refusing._command = stage.worker(1, "refuse", AtOnce())._command
    os.kill(refusing.pid, signal.SIGKILL)
    while stage.diary(1).count("start") < 3:
        await asyncio.sleep(0)
    assert not stage.running.done()


async def test_a_worker_that_does_not_end_is_killed_after_the_grace(stage: Stage) -> None:
    (worker,) = stage.start("stubborn", grace_s=0.2)
    await stage.until_said("worker 1 is ready")
    pid = worker.pid
    stage.supervisor.stop(signal.SIGTERM)
    await stage.ended()
    assert stage.diary(1) == ["start", "SIGTERM"]
    assert [(line["worker"], line["pid"], line["hastened"]) for line in stage.log("worker_killed")] == [(1, pid, False)]


async def test_a_second_signal_kills_those_that_are_left(stage: Stage) -> None:
    stage.start("stubborn", "good")
    await stage.until_said("Commonroom is ready")
    stage.supervisor.stop(signal.SIGINT)
    stage.supervisor.stop(signal.SIGINT)
    await stage.ended()
    assert stage.log("worker_killed")[0]["hastened"] is True


async def test_a_worker_that_is_not_ready_yet_ends_quietly(stage: Stage) -> None:
    (worker,) = stage.start("silent")
    while not worker.pid or not (stage.folder / "1").exists() or not stage.diary(1):
        await asyncio.sleep(0)
    stage.supervisor.stop(signal.SIGINT)
    await stage.ended()
    assert stage.diary(1) == ["start", "SIGTERM"]


async def test_a_stop_before_the_start_starts_nothing(stage: Stage) -> None:
    stage.supervisor.stop(signal.SIGTERM)
    await stage.supervisor.run([stage.worker(1, "good", AtOnce())])
    assert not (stage.folder / "1").exists()


async def test_a_rolling_restart_replaces_one_after_the_other(stage: Stage) -> None:
    workers = stage.start("good", "good", "good")
    await stage.until_said("Commonroom is ready")
    before = [worker.pid for worker in workers]
    told = len(stage.said)
    stage.supervisor.roll()
    await stage.until_said("worker 3 is ready", 2)
    assert [line.split(" is ready")[0] for line in stage.said[told:]] == ["worker 1", "worker 2", "worker 3"]
    assert all(stage.diary(number) == ["start", "SIGTERM", "start"] for number in (1, 2, 3))
    assert not set(before) & {worker.pid for worker in workers}
    assert stage.log("worker_died") == []
    assert all(worker._backoff.asked == 0 for worker in workers if isinstance(worker._backoff, AtOnce))


async def test_a_rolling_restart_stays_with_a_worker_until_it_is_ready(stage: Stage) -> None:
    """A release that does not start must not take down the workers that still serve."""
    workers = stage.start("good", "good")
    await stage.until_said("Commonroom is ready")
    workers[0]._command = stage.worker(1, "fail:4", AtOnce())._command
    stage.supervisor.roll()
    await stage.until_said("worker 2 is ready", 2)
    assert stage.diary(1) == ["start", "SIGTERM", *["start"] * 4]
    assert [line.split(" is ready")[0] for line in stage.said[-2:]] == ["worker 1", "worker 2"]


async def test_a_rolling_restart_kills_who_does_not_end(stage: Stage) -> None:
    stage.start("stubborn", grace_s=0.2)
    await stage.until_said("worker 1 is ready")
    stage.supervisor.roll()
    await stage.until_said("worker 1 is ready", 2)
    assert stage.diary(1) == ["start", "SIGTERM", "start"]
    assert [line["worker"] for line in stage.log("worker_killed")] == [1]


async def test_a_stop_ends_a_rolling_restart(stage: Stage) -> None:
    stage.start("stubborn", "good")
    await stage.until_said("Commonroom is ready")
    stage.supervisor.roll()
    while "SIGTERM" not in stage.diary(1):
        await asyncio.sleep(0)
    stage.supervisor.stop(signal.SIGTERM)
    stage.supervisor.stop(signal.SIGTERM)
    await stage.ended()
    assert stage.diary(1).count("start") == stage.diary(2).count("start") == 1


async def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    """kill -9: nobody is left to pass a signal on, the kernel does."""
    parent = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-I', '-S', sys.argv[1], str(os.getpid()), sys.executable, '-I', '-S', *sys.argv[2:]])\n"
        "child.wait()\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, launcher.__file__, str(CHILD), str(tmp_path), "1", "good", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readuntil(b"Commonroom is ready")
    process.kill()
    assert await asyncio.wait_for(process.stdout.read(), PATIENCE_S) is not None  # end of file: the worker has ended
    await process.wait()
    assert (tmp_path / "1").read_text().split() == ["start", "SIGINT"]
