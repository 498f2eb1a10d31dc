"""How late the event loop runs what is due: the one figure that says whether a process is overloaded."""

import asyncio
from bisect import bisect_left
from typing import Final

from commonroom.tasks import pause

__all__ = ["BOUNDS_S", "LoopLag"]

BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

TICK_S: Final = 0.05
"""Twenty looks a second cost 0.02 % of a core, whatever exists."""


class LoopLag:
    """A histogram of lateness since the start."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        """Looks by bound; the last are those above all bounds."""
        self.total_s = 0.0
        self.last_s = 0.0

    async def watch(self) -> None:
        """Look for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + TICK_S
            await pause(TICK_S)
            self.note(max(0.0, loop.time() - due_s))

    def note(self, late_s: float) -> None:
        """Count one look."""
        self.last_s = late_s
        self.total_s += late_s
        self.counts[bisect_left(BOUNDS_S, late_s)] += 1
