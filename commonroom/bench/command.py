"""`commonroom bench SCENARIO`: options, progress bar, exit code 1 when something went wrong."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import msgspec
import uvloop
from msgspec import Struct

from commonroom.bench.abuse import ABUSE_FIGURES
from commonroom.bench.cluster.figures import CLUSTER_FIGURES
from commonroom.bench.cluster.reading import Setting
from commonroom.bench.compare.compare import compare, render
from commonroom.bench.compare.work import WORKS, Work
from commonroom.bench.fault import FAULTS, SETTINGS
from commonroom.bench.flood.figures import FLOOD_FIGURES, Span, handshakes, memory
from commonroom.bench.report.plot import as_svg
from commonroom.bench.report.result import Result
from commonroom.bench.report.table import as_csv, as_text
from commonroom.bench.run import Interrupted, Plan, Run
from commonroom.bench.scenario import SCENARIOS
from commonroom.bench.scenario.scenario import Scenario
from commonroom.bench.signin import SIGN_IN_FIGURES
from commonroom.bench.suite import FIGURES, SHORT, Figure, Outcome, Suite
from commonroom.bench.suite import render as render_suite
from commonroom.bench.target.target import Target, spawned
from commonroom.errors import CommonroomError
from commonroom.tasks import TaskGroup

__all__ = ["bench"]

RAISED = {"COMMONROOM_LOG__LEVEL": "error", "COMMONROOM_LIMITS__SCALE": "100000"}
"""Settings of a server of our own: its limits are asked as ever, and no load meets one."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def bench() -> None:
    """Load a server and check that everything arrives."""


class Options(Struct):
    """What every scenario takes."""

    url: str
    metrics_url: tuple[str, ...]
    nodes: int
    seconds: float
    workers: int
    seed: int
    fault: str | None
    fault_s: float
    json: Path | None
    csv: Path | None
    plot: Path | None
    quiet: bool
    steer: bool


def _common(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("--url", default="", help="A running server. Without: one is started for the run, with limits raised."),
        click.option("--spawn", is_flag=True, help="Start a server for the run (the default without --url)."),
        click.option("--metrics-url", multiple=True, help="Where the server of --url shows its metrics; once for each node."),
        click.option("--nodes", type=click.IntRange(1, 16), default=1, help="Nodes of the server that is started."),
        click.option("--seconds", default=10.0, help="Length of the measurement."),
        click.option("--workers", default=1, help="Processes that make the load."),
        click.option("--seed", default=1, help="Seed of all choices."),
        click.option("--fault", type=click.Choice(list(FAULTS)), help="What goes wrong after a third of the time."),
        click.option("--fault-s", type=click.FloatRange(0), default=0.0, help="How long that lasts; 0: as the fault has it."),
        click.option("--json", type=click.Path(path_type=Path), help="Write the result there; - prints it instead of the table."),
        click.option("--csv", type=click.Path(path_type=Path), help="Write the figures there."),
        click.option("--plot", type=click.Path(path_type=Path), help="Draw the run there, as SVG."),
        click.option("--quiet", is_flag=True, help="No progress bar."),
        click.option("--steer/--no-steer", default=True, help="Clients name their room when they connect; or none."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _add(kind: type[Scenario[Any]]) -> None:
    def command(**values: Any) -> None:
        fields = {field.name for field in msgspec.structs.fields(kind.parameter_type)}
        parameters = kind.parameter_type(**{name: values.pop(name) for name in fields})
        if values.pop("spawn") and values["url"]:
            raise click.UsageError("--spawn starts a server of its own: leave out --url")
        if values["url"] and values["nodes"] > 1:
            raise click.UsageError("--nodes is about a server that is started: leave out --url")
        sys.exit(uvloop.run(_main(kind, parameters, Options(**values))))

    wrapped = _common(command)
    hints = get_type_hints(kind.parameter_type, include_extras=True)
    for field in reversed(msgspec.structs.fields(kind.parameter_type)):
        wrapped = _option(field.name, field.default, hints[field.name])(wrapped)
    bench.command(kind.name, help=kind.__doc__)(wrapped)


def _option(name: str, default: Any, hint: Any) -> Callable[[Any], Any]:
    metas = [part for part in get_args(hint) if isinstance(part, msgspec.Meta)]
    text = ", ".join(meta.description for meta in metas if meta.description)
    flag = f"--{name.replace('_', '-')}"
    return click.option(f"{flag}/--no-{flag[2:]}" if isinstance(default, bool) else flag, name, default=default, help=text)


async def _main(kind: type[Scenario[Any]], parameters: Struct, options: Options) -> int:
    try:
        msgspec.convert(msgspec.to_builtins(parameters), kind.parameter_type)
        fault = options.fault or ""
        plan = Plan(
            kind.name, parameters, options.seconds, options.workers, options.seed, fault, options.fault_s, steered=options.steer
        )  # fmt: skip
        if options.url:
            result = await measure(plan, Target(options.url.rstrip("/"), options.metrics_url), quiet=options.quiet)
        else:
            async with spawned({**RAISED, **kind.server_settings, **SETTINGS.get(fault, {})}, options.nodes) as target:
                result = await measure(plan, target, quiet=options.quiet)
    except msgspec.ValidationError as error:
        return _fail(str(error).lower())
    except Interrupted:
        return _fail("interrupted before anything was measured")
    except (CommonroomError, OSError) as error:
        return _fail(error.message if isinstance(error, CommonroomError) else str(error))
    _write(result, options)
    return 1 if result.failures else 0


async def measure(plan: Plan, target: Target, *, quiet: bool) -> Result:
    """One run with its progress bar; Ctrl-C ends it early, with what was measured.

    Raises:
        Interrupted: Ctrl-C came before the gate was open.
        Unavailable: the server or a worker failed.
    """
    bar = _Bar(quiet=quiet)
    try:
        with interruptible() as interrupt:
            return await Run(plan, target, bar.show, interrupt).result()
    finally:
        bar.close()


class _Bar:
    """One progress bar after another, on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._what = ""
        self._bar: Any = None
        self._done = 0.0

    def show(self, what: str, done: float, total: float) -> None:
        if self._quiet:
            return
        if what != self._what:
            self.close()
            self._what, self._done = what, 0
            self._bar = click.progressbar(length=int(total * 10), label=what, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(int(done * 10) - int(self._done * 10))
        self._done = done

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


@bench.command("compare")
@click.option("--work", "names", multiple=True, type=click.Choice([work.name for work in WORKS]), help="Only that; may be repeated.")
@click.option("--rounds", default=5, help="Turns of each server; the median counts.")
@click.option("--seconds", default=4.0, help="Length of each turn.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result there.")
def compare_command(names: tuple[str, ...], rounds: int, seconds: float, json_path: Path | None) -> None:
    """The same work on other servers by turns (`make bench-peers` installs them): ratios per server-CPU-second."""
    works = [work for work in WORKS if not names or work.name in names]
    sys.exit(uvloop.run(_compare(works, rounds, seconds, json_path)))


@bench.command("figures")
@click.option("--only", "names", multiple=True, type=click.Choice([figure.name for figure in FIGURES]), help="Only that; may be repeated.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result there.")
def figures_command(names: tuple[str, ...], json_path: Path | None) -> None:
    """Every figure we stand by that needs no peers, with its goal (about 15 minutes)."""
    sys.exit(uvloop.run(_suite([figure for figure in FIGURES if not names or figure.name in names], json_path)))


@bench.command("cluster")
@click.option("--only", "names", multiple=True, type=click.Choice(list(CLUSTER_FIGURES)), help="Only that; may be repeated.")
@click.option("--rooms", type=click.IntRange(1, 500), default=60, help="Rooms, and so samples, of the figures about rooms.")
@click.option("--scale", type=click.FloatRange(0.01, 1), default=1.0, help="Of times, sockets and idle rooms; less than 1 for a try.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result there.")
def cluster_command(names: tuple[str, ...], rooms: int, scale: float, json_path: Path | None) -> None:
    """Every figure of a cluster of three nodes on this machine, with its goal (about 15 minutes)."""
    setting = Setting(RAISED, rooms, scale)
    figures = {name: partial(figure, setting) for name, figure in CLUSTER_FIGURES.items() if not names or name in names}
    sys.exit(uvloop.run(_each(figures, json_path)))


@bench.command("sign-in")
@click.option("--only", "names", multiple=True, type=click.Choice(list(SIGN_IN_FIGURES)), help="Only that; may be repeated.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result there.")
def sign_in_command(names: tuple[str, ...], json_path: Path | None) -> None:
    """What signing in costs, and what it tells those who guess (about a minute)."""
    figures = {name: partial(figure, RAISED) for name, figure in SIGN_IN_FIGURES.items() if not names or name in names}
    sys.exit(uvloop.run(_each(figures, json_path)))


@bench.command("floods")
@click.option("--only", "names", multiple=True, type=click.Choice(list(FLOOD_FIGURES)), help="Only that; may be repeated.")
@click.option("--scale", type=click.FloatRange(0.001, 1), default=1.0, help="Of times and sockets; less than 1 for a try.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result there.")
def floods_command(names: tuple[str, ...], scale: float, json_path: Path | None) -> None:
    """What floods cost: memory, a witness's messages, the time of a handshake (about 9 minutes)."""
    span = Span()
    if scale < 1:
        span = Span(**{name: value if name == "turns" else value * scale for name, value in msgspec.structs.asdict(span).items()})
    wanted = names or FLOOD_FIGURES
    figures = {kind: partial(memory, kind, RAISED, span) for kind in FLOOD_FIGURES if kind in wanted and kind != "handshakes"}
    timed = {"handshakes": partial(handshakes, RAISED, span)} if "handshakes" in wanted else {}
    sys.exit(uvloop.run(_each({**figures, **timed}, json_path)))


@bench.command("abuse")
@click.option("--only", "names", multiple=True, type=click.Choice(list(ABUSE_FIGURES)), help="Only that; may be repeated.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result there.")
def abuse_command(names: tuple[str, ...], json_path: Path | None) -> None:
    """What it costs to say no, and what others notice of one who floods (about two minutes)."""
    figures = {name: partial(figure, RAISED) for name, figure in ABUSE_FIGURES.items() if not names or name in names}
    sys.exit(uvloop.run(_each(figures, json_path)))


async def _each(figures: Mapping[str, Callable[[], Coroutine[Any, Any, Outcome]]], json_path: Path | None) -> int:
    """Measure one after the other."""
    outcomes: list[Outcome] = []
    with interruptible() as interrupt:
        for name, figure in figures.items():
            _say(f"measuring {name}")
            outcome = await _unless(interrupt, figure(), name)
            if outcome is None:
                break
            outcomes.append(outcome)
    return _conclude(outcomes, json_path)


async def _unless(interrupt: asyncio.Event, measuring: Coroutine[Any, Any, Outcome], name: str) -> Outcome | None:
    """A figure; one that could not be measured is a failure. None: interrupted."""
    tasks = TaskGroup(lambda _name, _error: None)
    work: asyncio.Task[Outcome] = tasks.start(name, measuring)
    interrupted = tasks.start("interrupt", interrupt.wait())
    await asyncio.wait({work, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    await tasks.close()
    if work.cancelled():
        return None
    error = work.exception()
    if isinstance(error, CommonroomError | OSError):
        return Outcome(name, name, [], [error.message if isinstance(error, CommonroomError) else f"{type(error).__name__}: {error}"])
    return work.result()


@bench.command("short")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result there.")
def short_command(json_path: Path | None) -> None:
    """A little of everything, within 3 minutes (`make bench`)."""
    sys.exit(uvloop.run(_suite([*SHORT], json_path)))


async def _suite(figures: list[Figure], json_path: Path | None) -> int:
    bar = _Bar(quiet=False)
    try:
        with interruptible() as interrupt:
            outcomes = await Suite(RAISED, bar.show, interrupt).measure(figures)
    except Interrupted:
        return _fail("interrupted before anything was measured")
    except (CommonroomError, OSError) as error:
        return _fail(error.message if isinstance(error, CommonroomError) else str(error))
    finally:
        bar.close()
    return _conclude(outcomes, json_path)


def _conclude(outcomes: list[Outcome], json_path: Path | None) -> int:
    """Show what was measured; 1 where something went wrong or a goal was missed."""
    click.echo(render_suite(outcomes))
    _save(json_path, outcomes)
    return 1 if any(outcome.failures or not all(reading.reached for reading in outcome.readings) for outcome in outcomes) else 0


def _save(path: Path | None, result: Any) -> None:
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


async def _compare(works: list[Work], rounds: int, seconds: float, json_path: Path | None) -> int:
    try:
        with interruptible() as interrupt:
            comparison = await compare(works, rounds=rounds, seconds=seconds, settings=RAISED, say=_say, interrupt=interrupt)
    except Interrupted:
        return _fail("interrupted before anything was measured")
    except (CommonroomError, OSError) as error:
        return _fail(error.message if isinstance(error, CommonroomError) else str(error))
    click.echo(render(comparison, works))
    _save(json_path, comparison)
    return 1 if comparison.missed else 0


def _say(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def interruptible() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    loop, interrupt = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt.set)
    try:
        yield interrupt
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _write(result: Result, options: Options) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(result)).decode()
    if options.json == Path("-"):
        click.echo(encoded)
    else:
        click.echo(as_text(result))
        if options.json is not None:
            options.json.write_text(encoded + "\n")
    if options.csv is not None:
        options.csv.write_text(as_csv(result))
    if options.plot is not None:
        options.plot.write_text(as_svg(result))


def _fail(reason: str) -> int:
    click.echo(f"commonroom: {reason}", err=True)
    return 2


for _kind in SCENARIOS.values():
    _add(_kind)
