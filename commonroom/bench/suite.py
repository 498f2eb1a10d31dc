"""Several runs after one another: the short set of `make bench`, and all figures that we stand by.

A figure is one or more runs and what is read from them; a figure with a goal is checked.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, convert, field

from commonroom.bench.compare.contestant import launched
from commonroom.bench.report.machine import command_line, commit, load_average, machine
from commonroom.bench.report.result import Result, ms
from commonroom.bench.report.table import shown
from commonroom.bench.run import Interrupted, Plan, Run
from commonroom.bench.scenario import SCENARIOS
from commonroom.bench.target.metrics import fetch
from commonroom.bench.target.target import Target, spawned

__all__ = ["FIGURES", "SHORT", "Figure", "Outcome", "Reading", "Suite", "render"]


class Piece(Struct, frozen=True):
    """One run of a figure."""

    scenario: str
    parameters: dict[str, Any] = {}
    seconds: float = 10.0
    fault: str = ""
    on_reference: bool = False
    """On a bare aiohttp server that returns our page's bytes, not on ours."""
    nodes: int = 1
    """That serve."""
    workers: int = 1
    """That make the load."""


class Reading(Struct):
    """A number of a figure; `limit` and `at_least` where there is a goal."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def reached(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit


Results = list[list[Result]]
"""By piece and round."""


class Figure(Struct, frozen=True):
    """What to run, how often by turns, and what to read."""

    name: str
    title: str
    pieces: tuple[Piece, ...]
    read: Callable[[Results], list[Reading]]
    rounds: int = 1


class Outcome(Struct):
    """A figure, measured."""

    name: str
    title: str
    readings: list[Reading] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def row(result: Result, name: str) -> float:
    """A figure or a count of a scenario's own; NaN where it could not be known."""
    value = {**result.tally.numbers, **{row.name: row.value for row in result.rows}}[name]
    return float("nan") if isinstance(value, str) else value


def rows(*wanted: tuple[str, str, float | None, bool]) -> Callable[[Results], list[Reading]]:
    """Read rows of the one piece: (name, unit, goal, whether more is better)."""
    return lambda results: [
        Reading(name, median(row(one, name) for one in results[0]), unit, limit, more) for name, unit, limit, more in wanted
    ]


def _idle(results: Results) -> list[Reading]:
    found = results[0][0]
    return [
        Reading("RSS a session", row(found, "RSS a session"), "KiB", 8.0),
        Reading("CPU of all", row(found, "CPU of all"), "% of a core", 2.0),
    ]


def _listing(results: Results) -> list[Reading]:
    ours, bare = (median(row(one, "pages per server-CPU-second") for one in piece) for piece in results)
    return [Reading("pages per server-CPU-second", ours, ""), Reading("ours / bare aiohttp", ours / bare, "x", 0.5, at_least=True)]


def _stalled(results: Results) -> list[Reading]:
    calm, stalled = (median(ms(one.tally.time("delivery"), 0.99) for one in piece) for piece in results)
    return [Reading("delivery p99 without", calm, "ms"), Reading("with / without", stalled / calm, "x", 1.2)]


def _flat(results: Results) -> list[Reading]:
    name = "deliveries per server-CPU-second"
    small, middle, large = (1e9 / median(row(one, name) for one in piece) for piece in results)
    return [
        Reading("CPU a delivery, 50 sockets", small, "ns"),
        Reading("500 sockets", middle, "ns"),
        Reading("5,000 sockets", large, "ns"),
        Reading("5,000 / 50", large / small, "x", 1.5),
    ]


def _half_load(results: Results) -> list[Reading]:
    closed, half = results[0][0], results[1][0]
    return [
        Reading("acks per server-CPU-second", row(closed, "acks per server-CPU-second"), "", 10_000, at_least=True),
        Reading("acks per second at half that load", row(half, "acks per second"), ""),
        Reading("ack p99 then", row(half, "ack p99"), "ms", 25.0),
    ]


LECTURE = {"sockets": 5000, "publishers": 10, "durable": True, "rate_per_s": 10}
LECTURE_BEGINS = {"sockets": 5000, "rooms": 1, "within_s": 5, "members": 5000, "chat_per_s": 10, "apart": True}

FIGURES: tuple[Figure, ...] = (
    Figure("chat", "durable chat, 50 rooms of 4", (Piece("chat"), Piece("chat", {"rate_per_s": 5000})), _half_load),
    Figure("idle", "10,000 joined sessions, heartbeats on", (Piece("idle", {"sockets": 10_000, "rooms": 200}, 75.0),), _idle),
    Figure(
        "running-timers",
        "100,000 rooms with running timers, nobody there, nothing due",
        (Piece("timers", {"rooms": 100_000, "phase_s": 14_400, "occupied": False}, 30.0),),
        rows(("CPU of all", "% of a core", 2.0, False), ("RSS a room", "KiB", 4.0, False), ("rooms that are live", "", 0, False)),
    ),
    Figure(
        "deadlines",
        "more than 5,000 deadlines within one second",
        (Piece("timers", {"rooms": 6500}),),
        rows(("deadlines in the busiest second", "", 5000, True), ("late p99", "ms", 2000, False), ("CPU a transition", "µs", None, False)),
    ),
    Figure(
        "resume-storm",
        "2,000 sockets cut and back within 5 s, 20 missed events each",
        (Piece("resume-storm"),),
        rows(
            ("whole again", "", 2000, True),
            ("all whole after", "s", 10, False),
            ("SQL statements a resume", "", 1 / 50, False),
            ("loop lag p99", "ms or less", 100, False),
        ),
    ),
    Figure(
        "listing",
        "listing 10,000 public rooms, page of 50, beside aiohttp returning the same bytes",
        (Piece("listing", {"rooms": 10_000}, 5.0), Piece("listing", {"rooms": 0}, 5.0, on_reference=True)),
        _listing,
    ),
    Figure(
        "listing-churn",
        "10,000 public rooms, 50 founded and 50 archived a second, 100 pages a second by everybody's own filters",
        (Piece("listing", {"walks": True, "rate_per_s": 100, "churn_per_s": 50}, 20.0),),
        rows(
            ("page p99", "ms", 50, False),
            ("SQL statements a page", "", 2, False),
            ("pages per second", "", None, True),
            ("rooms founded per second", "", 49, True),
            ("rooms ended per second", "", 49, True),
        ),
    ),
    Figure(
        "stalled-reader",
        "one stalled reader among 200, 20 publishers, 1,000 messages a second",
        (Piece("fanout", {"rate_per_s": 1000}), Piece("fanout", {"rate_per_s": 1000}, fault="stall-reader")),
        _stalled,
        rounds=5,
    ),
    Figure(
        "flat",
        "cost grows with deliveries, not with sockets",
        tuple(Piece("fanout", {"sockets": sockets}, 5.0) for sockets in (50, 500, 5000)),
        _flat,
        rounds=3,
    ),
    Figure(
        "large-room",
        "5,000 members over 2 workers, 10 messages a second, each kept",
        (Piece("fanout", LECTURE, 20.0, nodes=2, workers=2),),
        rows(("delivery p99", "ms", 500, False), ("deliveries per server-CPU-second", "", None, True)),
    ),
    Figure(
        "large-room-joins",
        "1,000 joins a second into a room of 5,000 who talk, over 2 workers",
        (Piece("join-storm", LECTURE_BEGINS, nodes=2, workers=3),),
        rows(
            ("joins per second", "", None, True),
            ("join p95", "ms", None, False),
            ("joins per server-CPU-second", "", None, True),
            ("chat p99 before", "ms", None, False),
            ("longer by", "ms", 100, False),
        ),
        rounds=3,
    ),
    Figure(
        "flapping",
        "500 people come and go for 60 s, 500 changes a second, before 500 who stay",
        (Piece("presence", {"viewers": 500, "flappers": 500}, 60.0),),
        rows(
            ("presence pushes a viewer and second", "", 1.01, False),
            ("true everywhere after", "ms", 5000, False),
            ("CPU a change", "µs", None, False),
        ),
    ),
)

PER_CPU_S = ("deliveries per server-CPU-second", "", None, True)

SHORT: tuple[Figure, ...] = (
    Figure("fanout", "volatile fan-out, 200 sockets, 20 publishers", (Piece("fanout", seconds=4),), rows(PER_CPU_S)),
    Figure("fanout-1", "volatile fan-out, one publisher", (Piece("fanout", {"publishers": 1}, 4),), rows(PER_CPU_S)),
    Figure("durable", "durable fan-out, 20 publishers", (Piece("fanout", {"durable": True}, 4),), rows(PER_CPU_S)),
    Figure("chat", "durable chat, 50 rooms of 4", (Piece("chat", seconds=4),), rows(("acks per server-CPU-second", "", None, True))),
    Figure(
        "request", "request and reply, 100 sockets", (Piece("request", seconds=4),), rows(("replies per server-CPU-second", "", None, True))
    ),
    Figure("join-storm", "1,000 joins at once", (Piece("join-storm"),), rows(("join p95", "ms", None, False))),
    Figure(
        "resume-storm",
        "500 sockets cut and back",
        (Piece("resume-storm", {"sockets": 500, "rooms": 10, "within_s": 2}),),
        rows(("whole again", "", 500, True), ("SQL statements a resume", "", None, False)),
    ),
    Figure("idle", "1,000 idle sessions", (Piece("idle", {"sockets": 1000, "rooms": 20}, 5),), rows(("RSS a session", "KiB", None, False))),
    Figure(
        "deadlines",
        "1,000 deadlines at once",
        (Piece("timers", {"rooms": 1000, "phase_s": 5}),),
        rows(("late p99", "ms", None, False), ("CPU a transition", "µs", None, False)),
    ),
    Figure(
        "presence", "100 people come and go before 100", (Piece("presence", seconds=4),), rows(("true everywhere after", "ms", None, False))
    ),
    Figure("listing", "1,000 rooms listed", (Piece("listing", {"rooms": 1000}, 3),), rows(("pages per server-CPU-second", "", None, True))),
    Figure("mixed", "all at once", (Piece("mixed", seconds=5),), rows(("ack p99", "ms", None, False), ("join p95", "ms", None, False))),
    Figure(
        "kill-node",
        "chat while the server is killed",
        (Piece("chat", {"rate_per_s": 500}, 8, fault="kill-node"),),
        rows(("acks per second", "", None, True)),
    ),
)


class Suite:
    """Measures figures, each run on a server of its own.

    Args:
        settings: of those servers.
        show: progress: (what, done, total).
        interrupt: once set, the run at hand is ended and the rest left out.
    """

    def __init__(self, settings: dict[str, str], show: Callable[[str, float, float], None], interrupt: asyncio.Event) -> None:
        self._settings = settings
        self._show = show
        self._interrupt = interrupt
        self._page = b""

    async def measure(self, figures: Iterable[Figure]) -> list[Outcome]:
        """All of them.

        Raises:
            Unavailable: a server or a worker failed.
        """
        return [await self._figure(figure) for figure in figures if not self._interrupt.is_set()]

    async def _figure(self, figure: Figure) -> Outcome:
        results: Results = [[] for _ in figure.pieces]
        for turn in range(figure.rounds):
            for place, piece in enumerate(figure.pieces):
                if not self._interrupt.is_set():
                    with suppress(Interrupted):  # what was measured before is told
                        results[place].append(await self._piece(piece, f"{figure.name} {turn + 1}.{place + 1}"))
        outcome = Outcome(figure.name, figure.title, figure.read(results) if all(results) else [])
        for result in (one for piece_results in results for one in piece_results):
            outcome.failures += result.failures
            outcome.warnings += result.warnings
        return outcome

    async def _piece(self, piece: Piece, label: str) -> Result:
        kind = SCENARIOS[piece.scenario]
        plan = Plan(piece.scenario, convert(piece.parameters, kind.parameter_type), piece.seconds, piece.workers, fault=piece.fault)
        async with AsyncExitStack() as stack:
            if piece.on_reference:
                target: Target = await stack.enter_async_context(self._reference())
            else:
                target = await stack.enter_async_context(spawned({**self._settings, **kind.server_settings}, piece.nodes))
            result = await Run(plan, target, lambda what, done, total: self._show(f"{label} {what}", done, total), self._interrupt).result()
            if piece.scenario == "listing" and not piece.on_reference:
                self._page = await fetch(f"{target.url}/v1/rooms?limit=50")
            return result

    @asynccontextmanager
    async def _reference(self) -> AsyncIterator[Target]:
        """A bare server that returns the page that ours has just returned."""
        with tempfile.TemporaryDirectory(prefix="cr-") as folder:
            body = Path(folder) / "page.json"
            body.write_bytes(self._page)
            argv = [sys.executable, "-m", "commonroom.bench.target.reference"]
            async with launched("aiohttp", argv, {**os.environ, "BODY": str(body)}, os.curdir) as child:
                yield child


def render(outcomes: list[Outcome]) -> str:
    """As text."""
    return "\n".join(_lines(outcomes))


def _lines(outcomes: list[Outcome]) -> Iterator[str]:
    yield f"Commonroom bench, {command_line()}"
    yield f"  commit    {commit()}"
    yield f"  machine   {machine()}; load average {load_average()}"
    for outcome in outcomes:
        yield ""
        yield f"{outcome.title} [{outcome.name}]"
        for reading in outcome.readings:
            yield f"  {reading.name:34} {shown(reading.value):>12} {reading.unit:14} {_goal(reading)}".rstrip()
        yield from (f"  WARNING: {warning}" for warning in outcome.warnings)
        yield from (f"  FAILED: {failure}" for failure in outcome.failures)
        if not outcome.failures:
            yield "  nothing lost, duplicated, reordered or corrupted"


def _goal(reading: Reading) -> str:
    if reading.limit is None:
        return ""
    return f"(meant: {'≥' if reading.at_least else '≤'} {shown(reading.limit)}, {'reached' if reading.reached else 'MISSED'})"
