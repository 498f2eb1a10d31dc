"""An event loop whose time jumps to the next timer when nothing else is to be done.

After trio's `MockClock(autojump_threshold=0)`. The order of callbacks is asyncio's
own, so a run depends on nothing but the program and its seeds.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from commonroom.clock import Millis

__all__ = ["Stalled", "VirtualClock", "VirtualLoop"]

EPOCH_MS = 1_700_000_000_000
"""Cluster time at the loop's time 0."""


class Stalled(RuntimeError):
    """Everything waits and no timer is set: this would hang for ever."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never sleeps: time that would be slept is added to the clock instead."""

    now_s: float = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and timeout is None:
            raise Stalled("nothing is left to happen: something waits for ever")
        if not ready and timeout is not None:
            self.now_s += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio on virtual time. Without threads and real sockets, which take real time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        self._until: Callable[[], bool] | None = None
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def run_until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Run until `done()` or for `limit_s` of virtual time; whether it is done.

        `done` is asked after every turn of the loop.
        """
        if done():
            return True
        ended: list[bool] = []  # a flag: asyncio fires timers up to its resolution before their time
        timer = self.call_at(self.time() + limit_s, ended.append, True)
        self._until = lambda: done() or bool(ended)
        try:
            self.run_forever()
        finally:
            self._until = None
            timer.cancel()
        return done()

    def run_for(self, seconds: float) -> None:
        """Run for exactly so much virtual time."""
        self.run_until(lambda: False, seconds)

    def _run_once(self) -> None:
        """One turn. The hook is asyncio's private one, unchanged since 3.4: `stop` ends after the turn."""
        super()._run_once()  # type: ignore[misc]
        if self._until is not None and self._until():
            self.stop()


class VirtualClock:
    """Cluster time of a virtual loop (or of any loop): implements `Clock`."""

    def __init__(self, loop: asyncio.AbstractEventLoop | Any) -> None:
        self._loop = loop

    def now(self) -> Millis:
        return Millis(EPOCH_MS + round(self._loop.time() * 1000))
