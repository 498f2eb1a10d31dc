"""The same work on several servers by turns, in one run: only ratios of one run are claims.

All servers are started at the beginning, and all but the one whose turn it is are stopped by
signal: some poll even when idle. Each round gives every server its turn, beginning with another one each time, so that a slow minute of the
machine hits all. Servers are bound to the first core and the load to the second, where there are
two: left to the scheduler, who wakes whom on which core moves a server's CPU time by half.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from statistics import median

from msgspec import Struct, convert, field

from commonroom.bench.compare.contestant import launched
from commonroom.bench.compare.work import OURS, Goal, Work
from commonroom.bench.report.machine import command_line, commit, load_average, machine
from commonroom.bench.report.result import Result
from commonroom.bench.report.table import shown
from commonroom.bench.run import Interrupted, Plan, Run
from commonroom.bench.scenario import SCENARIOS
from commonroom.bench.target.process import bind, signal_all
from commonroom.bench.target.target import Target, spawned
from commonroom.errors import Unavailable

__all__ = ["Comparison", "Standing", "compare", "render"]


class Standing(Struct):
    """One server's rates in one work."""

    work: str
    server: str
    rates: list[float] = field(default_factory=list)
    """Per server-CPU-second, one a round."""
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.rates) if self.rates else 0.0


class Comparison(Struct):
    """All rounds."""

    command: str
    commit: str
    machine: str
    load_average: str
    rounds: int
    seconds: float
    standings: list[Standing]
    left_out: list[str]
    """Peers that are not installed, with the reason."""
    missed: list[str] = field(default_factory=list)
    """Goals that were not reached, and runs whose delivery check failed."""


async def compare(
    works: list[Work], *, rounds: int, seconds: float, settings: dict[str, str], say: Callable[[str], None], interrupt: asyncio.Event
) -> Comparison:
    """Do all works.

    Args:
        settings: of our own server.
        say: told what begins.

    Raises:
        Unavailable: a server failed, or there are no peers at all here.
    """
    comparison = Comparison(command_line(), commit(), machine(), load_average(), rounds, seconds, [], [])
    async with AsyncExitStack() as stack:
        targets: dict[str, tuple[Target, str]] = {OURS: (await stack.enter_async_context(spawned(settings)), OURS)}
        await _launch(stack, {name for work in works for name in work.peers}, targets, comparison.left_out)
        for target, _ in targets.values():
            bind(target.pids, 0)
        for work in works:
            await _work(work, targets, comparison, say, interrupt)
            if interrupt.is_set():
                break
    comparison.missed = list(_missed(works, comparison))
    return comparison


async def _launch(stack: AsyncExitStack, names: set[str], targets: dict[str, tuple[Target, str]], left_out: list[str]) -> None:
    try:
        from commonroom.bench.peers.catalogue import PEERS, lacks, launch  # noqa: PLC0415 - not in the wheel
    except ModuleNotFoundError:
        raise Unavailable("the peers are part of a checkout, not of the installed package") from None
    for peer in PEERS:
        if peer.name not in names:
            continue
        if reason := lacks(peer):
            left_out.append(f"{peer.name}: {reason}")
            continue
        argv, environment, directory = launch(peer)
        targets[peer.name] = await stack.enter_async_context(launched(peer.name, argv, environment, directory)), peer.dialect


async def _work(
    work: Work, targets: dict[str, tuple[Target, str]], comparison: Comparison, say: Callable[[str], None], interrupt: asyncio.Event
) -> None:
    servers = [name for name in (OURS, *work.peers) if name in targets]
    standings = {name: Standing(work.name, name) for name in servers}
    comparison.standings += standings.values()
    for turn in range(comparison.rounds):
        for name in (*servers[turn % len(servers) :], *servers[: turn % len(servers)]):
            if interrupt.is_set():
                return
            say(f"{work.name}: round {turn + 1} of {comparison.rounds}: {name}")
            with alone(name, targets):
                try:
                    result = await _turn(work, name, targets[name], comparison.seconds, interrupt)
                except Interrupted:
                    return  # what was measured before is told
            _book(standings[name], work, result)


@contextmanager
def alone(name: str, targets: dict[str, tuple[Target, str]]) -> Iterator[None]:
    """Nobody else runs within the block."""
    others = [pid for other, (target, _) in targets.items() if other != name for pid in target.pids]
    signal_all(others, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(others, signal.SIGCONT)


async def _turn(work: Work, name: str, target: tuple[Target, str], seconds: float, interrupt: asyncio.Event) -> Result:
    kind = SCENARIOS[work.scenario]
    parameters = convert(work.ours if name == OURS else work.theirs, kind.parameter_type)
    shared = None if name == OURS else {"rooms": [f"room{number}" for number in range(work.rooms)]}
    plan = Plan(work.scenario, parameters, seconds, dialect=target[1], shared=shared, core=1)
    return await Run(plan, target[0], _ignore, interrupt).result()


def _book(standing: Standing, work: Work, result: Result) -> None:
    count = result.tally.delivered if work.rate == "deliveries" else result.tally.time("answer").count
    if result.server.cpu_s:
        standing.rates.append(count / result.server.cpu_s)
    standing.failures += result.failures
    standing.warnings += result.warnings


def _missed(works: list[Work], comparison: Comparison) -> Iterator[str]:
    for standing in comparison.standings:
        for failure in standing.failures:
            yield f"{standing.work}, {standing.server}: {failure}"
    for work in works:
        for goal in work.goals:
            ratio = _ratio(comparison, work, goal.peer)
            if ratio is not None and ratio < goal.ratio:
                yield f"{work.name}: {ratio:.2f} x {goal.peer}, at least {goal.ratio:g} x was meant"


def _ratio(comparison: Comparison, work: Work, peer: str) -> float | None:
    medians = {standing.server: standing.median for standing in comparison.standings if standing.work == work.name}
    return medians[OURS] / medians[peer] if medians.get(peer) and medians.get(OURS) else None


def render(comparison: Comparison, works: list[Work]) -> str:
    """As a text of tables."""
    return "\n".join(_lines(comparison, works))


def _lines(comparison: Comparison, works: list[Work]) -> Iterator[str]:
    yield f"Commonroom bench: compare, median of {comparison.rounds} alternating runs of {comparison.seconds:g} s"
    yield f"  command   {comparison.command}"
    yield f"  commit    {comparison.commit}"
    yield f"  machine   {comparison.machine}; load average {comparison.load_average}"
    for work in works:
        standings = [standing for standing in comparison.standings if standing.work == work.name]
        if not standings:
            continue
        yield ""
        yield f"{work.title} [{work.name}], {work.rate} per server-CPU-second"
        goals = {goal.peer: goal for goal in work.goals}
        for standing in sorted(standings, key=lambda one: -one.median):
            yield _line(comparison, work, standing, goals.get(standing.server))
    yield ""
    for reason in comparison.left_out:
        yield f"LEFT OUT: {reason}"
    for missed in comparison.missed:
        yield f"MISSED: {missed}"
    if not comparison.missed:
        yield "all goals reached, nothing lost, duplicated, reordered or corrupted"


def _line(comparison: Comparison, work: Work, standing: Standing, goal: Goal | None) -> str:
    spread = f"{shown(min(standing.rates))} to {shown(max(standing.rates))}" if standing.rates else "no run"
    ratio = _ratio(comparison, work, standing.server)
    ours = "" if standing.server == OURS or ratio is None else f"ours is {ratio:.2f} x"
    aim = "" if goal is None or ratio is None else f" (meant: {goal.ratio:g} x, {'reached' if ratio >= goal.ratio else 'MISSED'})"
    return f"  {standing.server:22} {shown(standing.median):>10}   {spread:24} {ours}{aim}".rstrip()


def _ignore(_what: str, _done: float, _total: float) -> None:
    """No bar for each turn."""
