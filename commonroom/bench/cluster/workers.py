"""Two workers beside one, at equal total load: what it costs that rooms and readers are apart.

Clients name their room when they connect, as ours do, and are served by the worker that has
it; one more run tells what it is with clients that name none.

A server that has less to do does less at once: fewer commits in a call, fewer events in a turn of
its loop. What of the difference is that, and none of the cluster's, tells a single server
that has half of the load and the machine to itself.
"""

import asyncio
from statistics import median
from typing import Any

from msgspec import Struct, convert

from commonroom.bench.cluster.reading import Outcome, Reading, Setting
from commonroom.bench.report.result import Result
from commonroom.bench.run import Plan, Run
from commonroom.bench.scenario import SCENARIOS
from commonroom.bench.target.target import spawned

__all__ = ["workers"]

ROUNDS = 3
SECONDS = 5.0
ENOUGH = 0.85


class _Load(Struct, frozen=True):
    title: str
    scenario: str
    parameters: dict[str, Any]
    half: dict[str, Any] = {}
    """What makes half of it, where it can be halved."""


LOADS = (
    _Load("volatile, 200 sockets, 20 publishers, 1,000/s", "fanout", {"rate_per_s": 1000}),
    _Load("volatile, 5 rooms of 200 sockets, 1,000/s", "fanout", {"sockets": 1000, "rooms": 5, "publishers": 4, "rate_per_s": 1000}),
    _Load("durable chat, 50 rooms of 4, 1,500/s", "chat", {"rate_per_s": 1500}, {"rooms": 25, "rate_per_s": 750}),
)


async def workers(setting: Setting) -> Outcome:
    """Alternating runs, the median of each; the one with clients that name no room is there to compare, without a goal."""
    outcome = Outcome("workers", "two workers, deliveries per server-CPU-second beside one worker's at equal load")
    for load in LOADS:
        one: list[Result] = []
        two: list[Result] = []
        for _ in range(ROUNDS):
            one.append(await _run(setting, load, 1))
            two.append(await _run(setting, load, 2))
        unsteered = await _run(setting, load, 2, steered=False)
        half = [await _run(setting, _Load(load.title, load.scenario, load.parameters | load.half), 1)] if load.half else []
        for result in [*one, *two, unsteered, *half]:
            outcome.failures += result.failures
        outcome.readings += _read(load, one, two, unsteered)
        outcome.readings += [_read_half(result, one) for result in half]
    return outcome


def _read(load: _Load, one: list[Result], two: list[Result], unsteered: Result) -> list[Reading]:
    singly, paired = median(map(_per_cpu_s, one)), median(map(_per_cpu_s, two))
    return [
        Reading(f"{load.title}: one", singly, "per CPU-s"),
        Reading("  two", paired, "per CPU-s"),
        Reading("  two / one", paired / singly, "x", ENOUGH, at_least=True),
        Reading("  messages a read, one", median(map(_per_read, one)), ""),
        Reading("  messages a read, two", median(map(_per_read, two)), ""),
        Reading("  commands that crossed", 100 * _per_command(two[-1], "commonroom_cluster_outgoing_calls_total"), "%"),
        Reading("  pushes to another node", _per_command(two[-1], "commonroom_cluster_relay_pushes_out_total"), "a command"),
        Reading("  Redis's CPU", median((result.server.redis_cpu_s or 0) / result.seconds for result in two) * 100, "% of a core"),
        Reading("  no room named: two / one", _per_cpu_s(unsteered) / singly, "x"),
        Reading("  no room named: crossed", 100 * _per_command(unsteered, "commonroom_cluster_outgoing_calls_total"), "%"),
    ]


def _read_half(half: Result, one: list[Result]) -> Reading:
    return Reading("  a single server with half the load / one", _per_cpu_s(half) / median(map(_per_cpu_s, one)), "x")


def _per_command(result: Result, counter: str) -> float:
    return result.server.counters.get(counter, 0) / max(result.tally.sent, 1)


def _per_cpu_s(result: Result) -> float:
    return result.tally.delivered / (result.server.cpu_s or float("inf"))


def _per_read(result: Result) -> float:
    return result.tally.delivered / max(result.tally.reads, 1)


async def _run(setting: Setting, load: _Load, nodes: int, *, steered: bool = True) -> Result:
    kind = SCENARIOS[load.scenario]
    plan = Plan(load.scenario, convert(load.parameters, kind.parameter_type), SECONDS * setting.scale, steered=steered)
    async with spawned({**setting.raised, **kind.server_settings}, nodes) as target:
        return await Run(plan, target, _show_nothing, asyncio.Event()).result()


def _show_nothing(what: str, done: float, total: float) -> None:
    del what, done, total
