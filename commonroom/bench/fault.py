"""What can go wrong during any scenario, on purpose.

A fault begins when a third of the time is over, and the load goes on until it has ended. What
was acknowledged must survive it: the delivery check is the same as without.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from commonroom.bench.load.fleet import Fleet
from commonroom.bench.load.job import Act
from commonroom.bench.target.process import signal_all
from commonroom.bench.target.target import Spawned, Target
from commonroom.errors import Unavailable
from commonroom.tasks import pause

__all__ = ["FAULTS", "LASTING_S", "SETTINGS", "roll", "stopped"]

LASTING_S: Final = {"pause-postgres": 2.0, "pause-redis": 5.0, "stop-node": 15.0}
"""How long each lasts unless told otherwise; the others take what they take."""

SETTINGS: Final = {"rolling-restart": {"COMMONROOM_CLUSTER__DRAIN_S": "3"}}
"""What a server started for a fault is told besides: else each node takes 25 s to send its clients away."""

ROLLING_S: Final = 120.0

Fault = Callable[[Target, Fleet, float], Coroutine[Any, Any, None]]
"""(target, fleet, how long it lasts in seconds)."""


async def kill_node(target: Target, fleet: Fleet, lasting_s: float) -> None:
    """`kill -9` of the server, which starts again at once on its data; of several nodes the last one alone."""
    server = _ours(target, "killed")
    if server.nodes == 1:
        await server.kill()
        await server.start()
        return
    victim = server.worker_pids[-1]
    signal_all([victim], signal.SIGKILL)
    await server.replaced(server.nodes - 1, victim)


async def stop_node(target: Target, fleet: Fleet, lasting_s: float) -> None:
    """One node stands still, longer than the others wait for it, and wakes."""
    server = _ours(target, "stopped")
    async with stopped(server.worker_pids[-1:] or server.pids):
        await pause(lasting_s)


async def rolling_restart(target: Target, fleet: Fleet, lasting_s: float) -> None:
    """One node after the other is replaced."""
    await roll(_ours(target, "replaced"))


async def pause_postgres(target: Target, fleet: Fleet, lasting_s: float) -> None:
    """PostgreSQL stands still."""
    async with stopped(_known(target.postgres_pids, "PostgreSQL")):
        await pause(lasting_s)


async def pause_redis(target: Target, fleet: Fleet, lasting_s: float) -> None:
    """Redis stands still."""
    async with stopped(_known(target.redis_pids, "Redis")):
        await pause(lasting_s)


async def stall_reader(target: Target, fleet: Fleet, lasting_s: float) -> None:
    """One client reads nothing more until the end."""
    fleet.order(Act("stall-reader"))


async def drop_sockets(target: Target, fleet: Fleet, lasting_s: float) -> None:
    """Every other socket breaks, and its client comes back."""
    fleet.order(Act("drop-sockets"))


FAULTS: dict[str, Fault] = {
    "kill-node": kill_node,
    "stop-node": stop_node,
    "rolling-restart": rolling_restart,
    "pause-postgres": pause_postgres,
    "pause-redis": pause_redis,
    "stall-reader": stall_reader,
    "drop-sockets": drop_sockets,
}


@asynccontextmanager
async def stopped(pids: Iterable[int]) -> AsyncIterator[None]:
    """These processes stand still within the block."""
    them = list(pids)
    signal_all(them, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(them, signal.SIGCONT)


async def roll(server: Spawned) -> None:
    """Have the supervisor replace one worker after the other.

    Raises:
        Unavailable: there are no workers, or they were not replaced within `ROLLING_S`.
    """
    before = list(server.worker_pids)
    if not before:
        raise Unavailable("only a server of several nodes has workers to replace")
    signal_all([server.supervisor_pid], signal.SIGHUP)
    await asyncio.gather(*(server.replaced(place, pid, ROLLING_S) for place, pid in enumerate(before)))


def _ours(target: Target, what: str) -> Spawned:
    if not isinstance(target, Spawned):
        raise Unavailable(f"only a server that was started by --spawn can be {what}")
    return target


def _known(pids: list[int], what: str) -> list[int]:
    if not pids:
        raise Unavailable(f"only the {what} of a server that was started by --spawn, and has one, can be stopped")
    return pids
