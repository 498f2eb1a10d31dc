"""One run: start the workers, open the gate, disturb, stop, settle, count."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Struct

from commonroom import __version__
from commonroom.bench.fault import FAULTS, LASTING_S
from commonroom.bench.load.account import Accounts
from commonroom.bench.load.fleet import Fleet
from commonroom.bench.load.job import Go, Job, Progress, Settle, Stop
from commonroom.bench.report.machine import command_line, commit, load_average, machine
from commonroom.bench.report.result import Banner, Point, Result, ServerSide, judge
from commonroom.bench.scenario import SCENARIOS
from commonroom.bench.target.metrics import quantile_ms, read_metrics
from commonroom.bench.target.process import Usage, bind, command_name, usage
from commonroom.bench.target.target import Spawned, Target
from commonroom.bench.target.user import ADDRESS, PASSWORD, make_user
from commonroom.clock import monotonic_s
from commonroom.tasks import TaskGroup, pause

__all__ = ["Interrupted", "Plan", "Run"]

FAULT_S = 150.0
"""The load goes on so long for a fault that has not ended."""


class Interrupted(Exception):
    """Stopped before the start gate was opened: there is nothing to report."""


class Plan(Struct):
    """What to run, and how."""

    scenario: str
    parameters: Struct
    seconds: float = 10.0
    workers: int = 1
    seed: int = 1
    fault: str = ""
    fault_s: float = 0.0
    """How long it lasts; 0: as long as it does by itself."""
    dialect: str = "commonroom"
    core: int | None = None
    """Bind the workers to this core, counted from 0, and let them poll instead of sleeping."""
    shared: dict[str, Any] | None = None
    """What `setup` would give; None: it is called."""
    steered: bool = True
    """Clients name their room when they connect, so that the node that has it serves them."""


class _Meter:
    """The server's figures between two moments."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before: dict[str, float] = {}
        self._pids: list[int] = []
        self._began = self._database = self._redis = Usage(0, 0)

    async def start(self) -> None:
        self._before = await read_metrics(self._target.metrics_urls)
        self._pids = self._target.pids
        self._began, self._database, self._redis = self._used()

    async def stop(self) -> ServerSide:
        ended, database, redis = self._used()
        after = await read_metrics(self._target.metrics_urls)
        moved = {name: value - self._before.get(name, 0) for name, value in after.items() if name.endswith("_total")}
        known = bool(self._pids) and self._target.pids == self._pids  # a server that was killed meanwhile counts from zero
        return ServerSide(
            cpu_s=max(ended.cpu_s - self._began.cpu_s, 0.01) if known else None,
            postgres_cpu_s=max(database.cpu_s - self._database.cpu_s, 0) if known else None,
            redis_cpu_s=max(redis.cpu_s - self._redis.cpu_s, 0) if known and self._target.nodes > 1 else None,
            rss_before_bytes=self._began.rss_bytes if known else None,
            rss_after_bytes=ended.rss_bytes if known else None,
            lag_p99_ms=quantile_ms(self._before, after, "commonroom_engine_loop_lag_seconds", 0.99),
            statements=moved.get("commonroom_storage_statements_total"),
            redis_commands=moved.get("commonroom_redis_commands_total"),
            counters={name: value for name, value in moved.items() if value},
            gauges={name: value for name, value in after.items() if not name.endswith("_total") and "<" not in name},
        )

    def died(self, *, expected: bool) -> list[str]:
        """A line for the processes of the server that ended unasked since `start`."""
        gone = [pid for pid in self._pids if not command_name(pid)]
        return [f"processes of the server ended by themselves: {gone}"] if gone and not expected else []

    def _used(self) -> tuple[Usage, Usage, Usage]:
        """By the server's own processes, PostgreSQL's and Redis's."""
        target = self._target
        return usage(target.pids), usage(target.postgres_pids), usage(target.redis_pids)


class Run:
    """One run against one target.

    Args:
        show: called with (what, done, total) as preparation and measurement go on.
        interrupt: once set, what was measured so far is settled and reported.
    """

    def __init__(self, plan: Plan, target: Target, show: Callable[[str, float, float], None], interrupt: asyncio.Event) -> None:
        self._plan = plan
        self._target = target
        self._show = show
        self._interrupt = interrupt
        self._points: list[Point] = []
        self._began_s = 0.0
        self._tasks = TaskGroup(self._crashed)
        self._failures: list[str] = []
        self._rss_bytes = 0

    async def result(self) -> Result:
        """Do it.

        Raises:
            Unavailable: the server or a worker failed.
            Interrupted: before the start gate.
        """
        banner = self._banner()
        try:
            fleet = await self._unless_interrupted(self._prepare())
            try:
                return await self._measure(fleet, banner)
            finally:
                await fleet.close()
        finally:
            await self._tasks.close()

    async def _prepare(self) -> Fleet:
        plan, kind, shared = self._plan, SCENARIOS[self._plan.scenario], self._plan.shared
        if shared is None:
            async with Accounts(self._target.url) as accounts:
                shared = await kind.setup(accounts, plan.parameters)
                if kind.needs_user and isinstance(self._target, Spawned):
                    await make_user(self._target)
                    shared["user"] = await accounts.user(ADDRESS, PASSWORD)
        self._rss_bytes = usage(self._target.pids).rss_bytes
        settings = msgspec.to_builtins(plan.parameters)
        spins = plan.core is not None
        jobs = [
            Job(plan.scenario, self._target.url, plan.dialect, settings, shared, share, plan.workers, plan.seed, spins, plan.steered)
            for share in range(plan.workers)
        ]
        fleet = await Fleet.start(jobs, self._note)
        if plan.core is not None:
            bind(fleet.pids, plan.core)
        await pause(kind.settle_s)
        return fleet

    async def _unless_interrupted(self, preparation: Coroutine[Any, Any, Fleet]) -> Fleet:
        preparing = asyncio.get_running_loop().create_task(preparation)
        await self._wait(preparing, None)
        if not preparing.done():
            preparing.cancel()
            await asyncio.wait({preparing})
            raise Interrupted
        return preparing.result()

    async def _measure(self, fleet: Fleet, banner: Banner) -> Result:
        plan, kind = self._plan, SCENARIOS[self._plan.scenario]
        meter, workers = _Meter(self._target), [usage([pid]) for pid in fleet.pids]
        await meter.start()
        self._began_s = monotonic_s()
        fleet.order(Go())
        fault = self._tasks.start(plan.fault, self._disturb(fleet)) if plan.fault else None
        driven = asyncio.get_running_loop().create_task(fleet.hear("driven"))
        await self._wait(driven, plan.seconds if kind.lasts(plan.parameters) else None)
        if fault is not None and not driven.done():
            await self._wait(fault, FAULT_S)
        fleet.order(Stop())
        sent = await driven
        seconds = monotonic_s() - self._began_s
        shares = [(usage([pid]).cpu_s - before.cpu_s) / seconds for pid, before in zip(fleet.pids, workers, strict=True)]
        fleet.order(Settle(sent))  # a worker's answer to it is its last word
        tally = await fleet.tally()
        server = await meter.stop()
        server.rss_start_bytes = self._rss_bytes if server.cpu_s is not None else None
        result = Result(banner, seconds, tally, server, max(shares), self._points, self._interrupt.is_set())
        result.rows = kind.rows(result, plan.parameters)
        judge(result, keeps=kind.keeps(plan.parameters))
        result.failures += self._failures + meter.died(expected=bool(plan.fault))
        return result

    async def _disturb(self, fleet: Fleet) -> None:
        plan = self._plan
        await pause(plan.seconds / 3)
        await FAULTS[plan.fault](self._target, fleet, plan.fault_s or LASTING_S.get(plan.fault, 0.0))

    async def _wait(self, done: "asyncio.Task[Any]", seconds: float | None) -> None:
        """Until it is done, the time is over or somebody interrupts."""
        interrupted = self._tasks.start("interrupt", self._interrupt.wait())
        await asyncio.wait({done, interrupted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()

    def _banner(self) -> Banner:
        plan = self._plan
        return Banner(
            plan.scenario, command_line(), msgspec.to_builtins(plan.parameters), self._target.url, dict(self._target.raised), plan.fault,
            __version__, commit(), machine(), load_average(), plan.workers, plan.seed, self._target.nodes, plan.steered,
        )  # fmt: skip

    def _note(self, progress: Progress) -> None:
        if not self._began_s:
            self._show("preparing", progress.done, progress.total)
            return
        at_s = monotonic_s() - self._began_s
        self._points.append(Point(at_s, progress.delivered, progress.answered))
        self._show("running", min(at_s, self._plan.seconds), self._plan.seconds)

    def _crashed(self, name: str, error: BaseException) -> None:
        self._failures.append(f"{name} failed: {error}")
