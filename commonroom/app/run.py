"""A node as a process: its signals, its line when it is ready, its end."""

import asyncio
import signal
import sys

import uvloop

from commonroom import log as logging
from commonroom.app.collector import Collector
from commonroom.app.node import Node
from commonroom.config.loader import Loaded
from commonroom.config.settings import Settings
from commonroom.errors import ConfigError

__all__ = ["run"]


def run(loaded: Loaded) -> None:
    """Serve until SIGTERM (drains) or SIGINT (drains without waiting for clients).

    Raises:
        ConfigError: it cannot run like this.
        Unavailable: the database or Redis does not answer at the start.
    """
    settings = loaded.settings
    logging.configure(settings.log.level, settings.log.format)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    node = Node(settings)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, node.stop)
    loop.add_signal_handler(signal.SIGINT, node.stop, True)
    await node.open()
    collector = Collector(loop.call_soon)
    collector.open()
    sys.stdout.write(f"Commonroom is ready: {node.url}\n")
    sys.stdout.flush()
    await node.stopping.wait()
    await node.close()
    collector.close()
    if node.lost_lock:
        raise ConfigError("another Commonroom server uses this database")
