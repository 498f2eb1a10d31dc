"""Commands, their flags and exit codes: 0 done, 1 a check failed, 2 it cannot run like this."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from commonroom import __version__

__all__ = ["main"]

T = TypeVar("T")

MAX_WORKERS = 256

SERVE_FLAGS = {
    "host": "http.host",
    "port": "http.port",
    "data": "data",
    "postgres_url": "postgres.url",
    "redis_url": "redis.url",
    "name": "cluster.name",
    "weight": "cluster.weight",
    "log_level": "log.level",
}
"""Flags of `serve` and the settings they are."""

KEY_PURPOSES: tuple[Literal["access", "refresh", "ws", "oauth", "code"], ...] = ("access", "refresh", "ws", "oauth", "code")

config_option = click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file with settings.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Commonroom: a self-hosted realtime social engine."""


@main.command()
@json_option
def version(*, as_json: bool) -> None:
    """Print the version."""
    click.echo(json.dumps({"version": __version__}) if as_json else __version__)


@main.command()
@config_option
@click.option("--host", help="Address to listen on.")
@click.option("--port", help="Port to listen on; 0 picks a free one.")
@click.option("--data", help="Data directory of the embedded servers.")
@click.option("--postgres-url", help="URL of an external PostgreSQL; prefer the environment, other users see flags.")
@click.option("--redis-url", help="URL of the Redis that all nodes share; prefer the environment, other users see flags.")
@click.option("--name", help="Name of this node in the cluster.")
@click.option("--weight", help="Share of the slots, relative to the other nodes.")
@click.option("--log-level", help="debug, info, warning or error.")
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), default=1, show_default=True, help="Processes that share the port.")
@click.option("--own-ports", is_flag=True, help="Give each worker a port of its own, counted up from --port, instead of one for all.")
@click.option("--node", is_flag=True, help="Join a cluster: PostgreSQL and Redis must be given by URL.")
def serve(config_path: Path | None, workers: int, *, own_ports: bool, node: bool, **flags: str | None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    loaded = _loaded(config_path, {SERVE_FLAGS[flag]: value for flag, value in flags.items()})
    if node:
        _or_exit(lambda: _require_urls(loaded.settings))
    if workers > 1:
        from commonroom.supervisor import run as supervise  # noqa: PLC0415 - heavy

        _or_exit(lambda: supervise(loaded, workers, own_ports=own_ports))
        return
    from commonroom.app import run  # noqa: PLC0415 - heavy

    _or_exit(lambda: run(loaded))


@main.group()
def migrate() -> None:
    """The database's schema."""


@migrate.command("up")
@config_option
@json_option
def migrate_up(config_path: Path | None, *, as_json: bool) -> None:
    """Apply pending migrations."""
    from commonroom.storage.migration import migrate as apply  # noqa: PLC0415 - heavy

    names = _with_database(config_path, apply)
    click.echo(json.dumps({"applied": names}) if as_json else "\n".join(names) or "nothing to apply")


@migrate.command("status")
@config_option
@json_option
def migrate_status(config_path: Path | None, *, as_json: bool) -> None:
    """Show applied and pending migrations; exit 1 when some are pending."""
    from commonroom.storage.migration import status  # noqa: PLC0415 - heavy

    found = _with_database(config_path, status)
    rows = [*((name, "applied") for name in found.applied), *((name, "pending") for name in found.pending)]
    click.echo(json.dumps(found._asdict()) if as_json else "\n".join(f"{state:8} {name}" for name, state in rows))
    sys.exit(1 if found.pending else 0)


@main.group()
def user() -> None:
    """Accounts."""


password_option = click.option("--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input.")


@user.command("create-admin")
@click.argument("email")
@click.option("--name", default="Admin", show_default=True, help="Name people see.")
@password_option
@config_option
@json_option
def user_create_admin(email: str, name: str, config_path: Path | None, *, from_stdin: bool, as_json: bool) -> None:
    """Make an account with the role ADMIN, whose address counts as confirmed."""
    from commonroom.cli.user import create_admin  # noqa: PLC0415 - heavy

    password = _password(from_stdin=from_stdin)
    made = _with_database(config_path, lambda url: create_admin(url, email, name, password), beside=True)
    click.echo(json.dumps({"id": made}) if as_json else f"made {made}")


@user.command("reset-password")
@click.argument("email")
@password_option
@config_option
@json_option
def user_reset_password(email: str, config_path: Path | None, *, from_stdin: bool, as_json: bool) -> None:
    """Set an account's password. Its login sessions end, on running servers within a minute."""
    from commonroom.cli.user import reset_password  # noqa: PLC0415 - heavy

    password = _password(from_stdin=from_stdin)
    ended = _with_database(config_path, lambda url: reset_password(url, email, password), beside=True)
    click.echo(json.dumps({"ended": ended}) if as_json else f"done; login sessions ended: {ended}")


@main.group()
def jobs() -> None:
    """Backfills: work on what older versions left, in steps, while servers run."""


@jobs.command("list")
@config_option
@json_option
def jobs_list(config_path: Path | None, *, as_json: bool) -> None:
    """Show all jobs, whether they are needed and how far they are."""
    from commonroom.cli.job import read, table  # noqa: PLC0415 - heavy

    shown = _with_database(config_path, read, beside=True)
    click.echo(json.dumps([one._asdict() for one in shown]) if as_json else table(shown))


@jobs.command("run")
@click.argument("name")
@click.option("--anew", is_flag=True, help="From the beginning, even if it was done.")
@config_option
@json_option
def jobs_run(name: str, config_path: Path | None, *, anew: bool, as_json: bool) -> None:
    """Run the job NAME from where it is to its end; killed or run twice it does nothing twice. Exit 1 when it was cancelled."""
    from commonroom.cli.job import run  # noqa: PLC0415 - heavy

    row = _with_database(config_path, lambda url: run(url, name, anew=anew, tell=lambda line: click.echo(line, err=True)), beside=True)
    click.echo(json.dumps(row._asdict()) if as_json else f"{row.name}: {row.state}, {row.done} rows")
    sys.exit(0 if row.state == "done" else 1)


@jobs.command("cancel")
@click.argument("name")
@config_option
@json_option
def jobs_cancel(name: str, config_path: Path | None, *, as_json: bool) -> None:
    """Have the job NAME stop before its next step; `run` goes on there. Exit 1 when it was not running."""
    from commonroom.cli.job import cancel  # noqa: PLC0415 - heavy

    cancelled = _with_database(config_path, lambda url: cancel(url, name), beside=True)
    click.echo(json.dumps({"cancelled": cancelled}) if as_json else ("cancelled" if cancelled else "it was not running"))
    sys.exit(0 if cancelled else 1)


@main.group()
def keys() -> None:
    """The keys that sign tokens."""


@keys.command("rotate")
@click.argument("purposes", nargs=-1, type=click.Choice(KEY_PURPOSES))
@config_option
@json_option
def keys_rotate(purposes: tuple[str, ...], config_path: Path | None, *, as_json: bool) -> None:
    """Make new keys for PURPOSES (default: all), also while servers run.

    The new ones sign once every node has read them, a minute and a half later; the old
    ones verify until the last token they signed is over. Nobody is signed out.
    """
    from commonroom.cli.key import rotate  # noqa: PLC0415 - heavy

    wanted = [purpose for purpose in KEY_PURPOSES if not purposes or purpose in purposes]
    made = _with_database(config_path, lambda url: rotate(url, wanted), beside=True)
    click.echo(json.dumps(made) if as_json else "\n".join(f"{purpose:8} {kid}" for purpose, kid in made.items()))


@main.group()
def config() -> None:
    """Settings."""


@config.command("show")
@config_option
@json_option
def config_show(config_path: Path | None, *, as_json: bool) -> None:
    """Every setting with its value and where it came from; secrets masked."""
    from commonroom.config.report import show  # noqa: PLC0415 - heavy

    rows = show(_loaded(config_path, {}))
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows]))
        return
    width = max(len(f"{row.path} = {row.value}") for row in rows)
    for row in rows:
        click.echo(f"{f'{row.path} = {row.value}':{width}}  # {row.description} [{row.origin}]")


@config.command("check")
@config_option
@json_option
def config_check(config_path: Path | None, *, as_json: bool) -> None:
    """Read the settings and say whether they are valid."""
    _loaded(config_path, {})
    click.echo(json.dumps({"ok": True}) if as_json else "ok")


@main.command()
@config_option
@json_option
def doctor(config_path: Path | None, *, as_json: bool) -> None:
    """Check this machine and say what to mend; exit 1 when something fails."""
    from commonroom.cli.doctor import examine  # noqa: PLC0415 - heavy

    findings = asyncio.run(examine(_loaded(config_path, {}).settings))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            click.echo(f"{finding.verdict:4}  {finding.what}: {finding.found}" + (f" — {finding.hint}" if finding.hint else ""))
    sys.exit(1 if any(finding.verdict == "fail" for finding in findings) else 0)


@main.group()
def demo() -> None:
    """A server to look at."""


@demo.command("seed")
@config_option
@click.option("--url", help="The server; default from the settings.")
@click.option("--stay", type=click.FloatRange(0, 1440), default=0.0, metavar="MINUTES", help="So long the people stay and go on talking.")
@click.option("--in-production", is_flag=True, help="Do it all the same on a server that is in production, with a password of yours.")
@password_option
@json_option
def demo_seed(config_path: Path | None, url: str | None, stay: float, *, in_production: bool, from_stdin: bool, as_json: bool) -> None:
    """Fill a running server with people, rooms, talk and timers; what is there already stays. Exit 1 when something could not be made."""
    from commonroom.cli.demo import lively, refuse_production, url_of  # noqa: PLC0415 - heavy
    from commonroom.demo.scene import FIRST_PASSWORD  # noqa: PLC0415 - heavy

    settings = _loaded(config_path, {}).settings
    target = url or url_of(settings)
    if not in_production:
        _or_exit(lambda: refuse_production(settings, target))
    password = _password(from_stdin=from_stdin) if from_stdin or in_production else FIRST_PASSWORD
    tell: Callable[[str], None] = (lambda _: None) if as_json else click.echo
    accounts, made = _with_database(
        config_path, lambda database: lively(database, target, password, stay_minutes=stay, tell=tell), beside=True
    )  # fmt: skip
    if as_json:
        told = {name: getattr(made, name) for name in made.__struct_fields__}
        click.echo(json.dumps({"url": target, "accounts": accounts, **told}))
    sys.exit(1 if made.troubles else 0)


@main.group()
def cluster() -> None:
    """The nodes that serve together."""


@cluster.command("status")
@config_option
@json_option
@click.option("--url", help="Metrics address of the node to ask; default from the settings.")
def cluster_status(config_path: Path | None, url: str | None, *, as_json: bool) -> None:
    """Show members, slots, queues and lag as one node sees them; exit 1 when it cannot be reached."""
    from commonroom.cli.cluster import admin_url, fetch, parse, table  # noqa: PLC0415 - heavy

    base = url or admin_url(_loaded(config_path, {}).settings.http)
    body = _or_exit(lambda: asyncio.run(fetch(base)), code=1)
    status = _or_exit(lambda: parse(body), code=1)
    click.echo(body if as_json else table(status))


@main.command("bench", add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.pass_context
def bench_command(context: click.Context) -> None:
    """Load a server and check that everything arrives."""
    from commonroom.bench.command import bench  # noqa: PLC0415 - heavy

    bench.main(args=context.args, prog_name="commonroom bench")


def _loaded(config_path: Path | None, flags: dict[str, Any]) -> Any:
    from commonroom.config.loader import load  # noqa: PLC0415 - heavy

    return _or_exit(lambda: load(flags, toml_path=config_path))


def _require_urls(settings: Any) -> None:
    """A node of a cluster has nothing of its own that the others could not reach."""
    from commonroom.errors import ConfigError  # noqa: PLC0415 - heavy

    needed = {"POSTGRES": settings.postgres.url, "REDIS": settings.redis.url}
    if missing := [f"COMMONROOM_{name}_URL" for name, url in needed.items() if not url]:
        raise ConfigError(f"serve --node joins a cluster by its URLs: set {' and '.join(missing)}")


def _password(*, from_stdin: bool) -> str:
    """Never an argument: everybody on the machine sees those."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked


def _with_database(config_path: Path | None, call: Callable[[str], Coroutine[Any, Any, T]], *, beside: bool = False) -> T:
    from commonroom.cli.database import with_database  # noqa: PLC0415 - heavy

    settings = _loaded(config_path, {}).settings
    return _or_exit(lambda: asyncio.run(with_database(settings, call, beside=beside)))


def _or_exit(action: Callable[[], T], code: int = 2) -> T:
    """Run it; an error of ours becomes one line and the exit code."""
    from commonroom.errors import CommonroomError  # noqa: PLC0415 - heavy

    try:
        return action()
    except CommonroomError as error:
        click.echo(f"commonroom: {error}", err=True)
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(130)
