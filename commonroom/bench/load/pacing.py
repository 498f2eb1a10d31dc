"""Intended moments at a constant rate, and how late the generator itself is."""

import asyncio
from collections.abc import Callable

from commonroom.bench.load.histogram import Histogram
from commonroom.clock import monotonic_us
from commonroom.tasks import pause

__all__ = ["LAG", "pace", "spin", "watch_lag"]

LAG = "own lag"
"""The name of the generator's lateness among a tally's durations."""

TICK_S = 0.002
LAG_TICK_S = 0.02


async def pace(per_s: float, act: Callable[[int], None], stopping: asyncio.Event) -> None:
    """Call `act(intended_us)` `per_s` times a second until stopped.

    Moments are evenly spaced and fixed beforehand; what is due is done at once, however late.
    """
    step_us, began_us, done = 1e6 / per_s, monotonic_us(), 0
    while not stopping.is_set():
        due = int((monotonic_us() - began_us) / step_us) + 1
        while done < due:
            act(began_us + int(done * step_us))
            done += 1
        await pause(max((began_us + done * step_us - monotonic_us()) / 1e6, TICK_S))


async def watch_lag(lag: Histogram) -> None:
    """Measure for ever how late this process's loop runs what is due."""
    while True:
        due_us = monotonic_us() + int(LAG_TICK_S * 1e6)
        await pause(LAG_TICK_S)
        lag.record(monotonic_us() - due_us)


def spin(loop: asyncio.AbstractEventLoop) -> None:
    """Never let the loop sleep, so that no server pays for waking this process.

    On one machine the sender wakes the receiver in its own system call: 1 µs a delivery for a server
    that is slower than the generator, nothing for one that is faster. Over a network nobody pays it.
    """
    loop.call_soon(spin, loop)
