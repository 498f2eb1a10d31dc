"""All deadlines of a process: one heap and one timer of the loop.

Deadlines are in cluster time, the loop's timer in its own: the heap is asked again
when the timer fires, so a slewed clock makes a deadline late by what was slewed in
`MAX_SLEEP_MS` at most, and never early.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from commonroom.clock import Clock

__all__ = ["NEVER", "Deadlines", "Entry"]

MAX_SLEEP_MS = 30_000
MAX_FIRED = 256
"""Deadlines of one turn; a storm of them lets commands through in between."""

GARBAGE = 64
"""Cancelled entries tolerated beyond the number of live ones."""

NEVER = 2**63
"""Beyond any cluster time."""


class Entry:
    """One deadline; `action` None: fired or cancelled."""

    __slots__ = ("action", "arg")

    def __init__(self, action: Callable[[Any], object], arg: object) -> None:
        self.action: Callable[[Any], object] | None = action
        self.arg = arg


class Deadlines:
    """The heap. `at` and `cancel` cost O(log n), amortised.

    Args:
        clock: cluster time.
        loop: whose timer is used.
    """

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop
        self._heap: list[tuple[int, int, Entry]] = []
        self._order = count()
        self._cancelled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = NEVER

    def __len__(self) -> int:
        """Deadlines to come."""
        return len(self._heap) - self._cancelled

    def at(self, at: int, action: Callable[[Any], object], arg: object = None) -> Entry:
        """Call `action(arg)` on the loop at cluster time `at` or as soon after as possible.

        Equal times fire in the order of their making. An exception of `action` goes to
        the loop's exception handler; the other deadlines fire all the same.
        """
        entry = Entry(action, arg)
        heapq.heappush(self._heap, (at, next(self._order), entry))
        if at < self._armed_for:
            self._arm()
        return entry

    def cancel(self, entry: Entry) -> None:
        """Forget a deadline; nothing happens if it fired or was cancelled."""
        if entry.action is None:
            return
        entry.action = entry.arg = None
        self._cancelled += 1
        if self._cancelled > GARBAGE + len(self):
            self._heap = [item for item in self._heap if item[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def close(self) -> None:
        """Forget them all."""
        self._heap.clear()
        self._cancelled = 0
        self._arm()

    def _arm(self) -> None:
        """Set the loop's timer to the earliest deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = NEVER
        if not self._heap:
            return
        self._armed_for = self._heap[0][0]
        wait_ms = min(max(0, self._armed_for - self._clock.now()), MAX_SLEEP_MS)
        self._timer = self._loop.call_at(self._loop.time() + wait_ms / 1000, self._fire)

    def _fire(self) -> None:
        now = self._clock.now()
        self._armed_for = -1  # actions add deadlines: arm once, at the end
        for _ in range(MAX_FIRED):
            if not self._heap or self._heap[0][0] > now:
                break
            self._run(heapq.heappop(self._heap)[2])
        self._arm()

    def _run(self, entry: Entry) -> None:
        action, entry.action = entry.action, None
        if action is None:
            self._cancelled -= 1
            return
        try:
            action(entry.arg)
        except Exception as error:  # noqa: BLE001 - one deadline must not cost the others theirs
            self._loop.call_exception_handler({"message": "a deadline's action failed", "exception": error})
