"""What can go wrong during any scenario, on purpose.

A fault begins when a third of the time is over. What was acknowledged must survive it: the
delivery check is the same as without.
"""

import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

from commonroom.bench.load.fleet import Fleet
from commonroom.bench.load.job import Act
from commonroom.bench.target.process import signal_all
from commonroom.bench.target.target import Spawned, Target
from commonroom.errors import Unavailable
from commonroom.tasks import pause

__all__ = ["FAULTS"]

PAUSE_S: Final = 2.0

Fault = Callable[[Target, Fleet, float], Coroutine[Any, Any, None]]
"""(target, fleet, length of the run in seconds)."""


async def kill_node(target: Target, fleet: Fleet, seconds: float) -> None:
    """`kill -9` of the server, which starts again at once on its data."""
    await pause(seconds / 3)
    if not isinstance(target, Spawned):
        raise Unavailable("only a server that was started by --spawn can be killed")
    await target.kill()
    await target.start()


async def pause_postgres(target: Target, fleet: Fleet, seconds: float) -> None:
    """PostgreSQL stands still for 2 s."""
    await pause(seconds / 3)
    pids = target.postgres_pids
    if not pids:
        raise Unavailable("only the PostgreSQL of a server that was started by --spawn can be stopped")
    signal_all(pids, signal.SIGSTOP)
    try:
        await pause(PAUSE_S)
    finally:
        signal_all(pids, signal.SIGCONT)


async def stall_reader(target: Target, fleet: Fleet, seconds: float) -> None:
    """One client reads nothing more until the end."""
    await pause(seconds / 3)
    fleet.order(Act("stall-reader"))


async def drop_sockets(target: Target, fleet: Fleet, seconds: float) -> None:
    """Every other socket breaks, and its client comes back."""
    await pause(seconds / 3)
    fleet.order(Act("drop-sockets"))


FAULTS: dict[str, Fault] = {
    "kill-node": kill_node,
    "pause-postgres": pause_postgres,
    "stall-reader": stall_reader,
    "drop-sockets": drop_sockets,
}
