"""`commonroom serve --workers N`: everything a supervisor owns, put together."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import uvloop

from commonroom import log as logging
from commonroom.config.loader import Loaded
from commonroom.config.settings import Settings
from commonroom.ids import new_secret, seeded
from commonroom.supervisor import launcher
from commonroom.supervisor.backoff import Backoff
from commonroom.supervisor.plan import Shared, environment, metrics_url, worker_settings
from commonroom.supervisor.port import reserved
from commonroom.supervisor.servers import opened
from commonroom.supervisor.supervisor import Supervisor
from commonroom.supervisor.worker import Worker

__all__ = ["run"]

END_GRACE_S = 15.0
"""What a worker may take beyond the time in which it spreads the closing of its sockets."""

LAUNCHER = Path(launcher.__file__)


def run(loaded: Loaded, workers: int) -> None:
    """Serve by so many workers until SIGTERM or SIGINT; SIGHUP replaces one after the other.

    Raises:
        ConfigError: it cannot run like this.
        Unavailable: PostgreSQL or Redis does not answer at the start.
    """
    settings = loaded.settings
    logging.configure(settings.log.level, settings.log.format)
    uvloop.run(_serve(settings, workers))


async def _serve(settings: Settings, count: int) -> None:
    supervisor = Supervisor(settings.cluster.drain_s + END_GRACE_S, _say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop, number)
    loop.add_signal_handler(signal.SIGHUP, supervisor.roll)
    http = settings.http
    with reserved(http.host, http.port, alone=not http.reuse_port) as port:
        async with opened(settings, supervisor.fail) as servers:
            shared = Shared(*servers, port)
            await supervisor.run([_worker(worker_settings(settings, shared, number), number) for number in range(1, count + 1)])


def _worker(settings: Settings, number: int) -> Worker:
    tied = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
    command = [*tied, sys.executable, "-m", "commonroom", "serve", "--node"]
    return Worker(number, command, environment(settings, os.environ), Backoff(seeded(new_secret())), metrics_url(settings))


def _say(line: str) -> None:
    """Print a line at once, past `sys.stdout`: a reader that went away must not end the service, nor its exit code."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())
