"""`commonroom serve --workers N`: everything a supervisor owns, put together."""

import asyncio
import os
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import uvloop

from commonroom import log as logging
from commonroom.config.loader import Loaded
from commonroom.config.settings import HttpSettings, Settings
from commonroom.errors import ConfigError
from commonroom.ids import new_secret, seeded
from commonroom.supervisor import launcher
from commonroom.supervisor.backoff import Backoff
from commonroom.supervisor.plan import MAX_PORT, Shared, environment, metrics_url, worker_settings
from commonroom.supervisor.port import reserved
from commonroom.supervisor.servers import opened
from commonroom.supervisor.supervisor import Supervisor
from commonroom.supervisor.worker import Worker

__all__ = ["run"]

END_GRACE_S = 15.0
"""What a worker may take beyond the time in which it spreads the closing of its sockets."""

LAUNCHER = Path(launcher.__file__)


def run(loaded: Loaded, workers: int, *, own_ports: bool = False) -> None:
    """Serve by so many workers until SIGTERM or SIGINT; SIGHUP replaces one after the other.

    Args:
        own_ports: each worker listens on a port of its own, counted up from the public one,
            for a proxy in front that chooses; else all share that one and the kernel chooses.

    Raises:
        ConfigError: it cannot run like this.
        Unavailable: PostgreSQL or Redis does not answer at the start.
    """
    settings = loaded.settings
    logging.configure(settings.log.level, settings.log.format)
    uvloop.run(_serve(settings, workers, own_ports=own_ports))


async def _serve(settings: Settings, count: int, *, own_ports: bool) -> None:
    supervisor = Supervisor(settings.cluster.drain_s + END_GRACE_S, _say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop, number)
    loop.add_signal_handler(signal.SIGHUP, supervisor.roll)
    with ExitStack() as stack:
        ports = _ports(settings.http, count if own_ports else 1, stack)
        async with opened(settings, supervisor.fail) as servers:
            shared = Shared(*servers, ports if own_ports else ports * count)
            await supervisor.run([_worker(worker_settings(settings, shared, number), number) for number in range(1, count + 1)])


def _ports(http: HttpSettings, count: int, stack: ExitStack) -> list[int]:
    """Reserve the configured port and those after it, or free ones where that is 0."""
    if http.port + count - 1 > MAX_PORT:
        raise ConfigError(f"http.port = {http.port}: worker {count} would need a port above {MAX_PORT}")
    wanted = [http.port and http.port + place for place in range(count)]
    return [stack.enter_context(reserved(http.host, port, alone=not http.reuse_port)) for port in wanted]


def _worker(settings: Settings, number: int) -> Worker:
    tied = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
    command = [*tied, sys.executable, "-m", "commonroom", "serve", "--node"]
    return Worker(number, command, environment(settings, os.environ), Backoff(seeded(new_secret())), metrics_url(settings))


def _say(line: str) -> None:
    """Print a line at once, past `sys.stdout`: a reader that went away must not end the service, nor its exit code."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())
