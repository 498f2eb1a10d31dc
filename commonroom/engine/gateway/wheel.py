"""One timer for all deadlines of all sockets (hashed timing wheel, Varghese and Lauck 1987).

Hello timeouts, heartbeats, silence, stalls, closing: each item stands in one bucket, that
of its earliest deadline. Deadlines that only move away (silence) cost nothing when they
move: the item is visited at the old moment, looks, and names the next one.
"""

import asyncio
from collections.abc import Callable
from math import ceil
from typing import Final, Protocol

import structlog

from commonroom.clock import monotonic_s

__all__ = ["NEVER", "TICK_S", "Timed", "Wheel"]

TICK_S: Final = 0.25
"""Deadlines are met at most this much late, never early."""

NEVER: Final = -1

log = structlog.get_logger(__name__)


class Timed(Protocol):
    """Something with deadlines. `bucket` belongs to the wheel; it starts as `NEVER`."""

    bucket: int

    def tick(self, now_s: float) -> float | None:
        """Do what is due at `now_s`; the next deadline, None to leave the wheel.

        What it raises is logged as our own fault, and it leaves the wheel; the others are visited all the same.
        """
        ...


class Wheel:
    """Calls `tick` of each item at its deadline.

    Args:
        monotonic: seconds of an arbitrary origin.
    """

    def __init__(self, monotonic: Callable[[], float] = monotonic_s) -> None:
        self._monotonic = monotonic
        self.now_s = monotonic()
        """The moment of the last tick: free to read, at most `TICK_S` old."""
        self._at = int(self.now_s / TICK_S)
        self._buckets: dict[int, set[Timed]] = {}
        self._handle: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Turn by itself until `stop`."""
        self._handle = loop.call_later(TICK_S, self.start, loop)  # first: whatever becomes of this turn, there is a next one
        self.turn()

    def stop(self) -> None:
        """Turn no more; items stay."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def watch(self, item: Timed, at_s: float) -> None:
        """Visit `item` at `at_s` if that is sooner than already planned."""
        bucket = max(ceil(at_s / TICK_S), self._at + 1)
        if item.bucket != NEVER:
            if item.bucket <= bucket:
                return
            self._buckets[item.bucket].discard(item)
        item.bucket = bucket
        self._buckets.setdefault(bucket, set()).add(item)

    def forget(self, item: Timed) -> None:
        """Visit `item` no more."""
        if item.bucket != NEVER:
            self._buckets.get(item.bucket, set()).discard(item)
            item.bucket = NEVER

    def turn(self) -> None:
        """Visit everything that is due now. Cost: O(due items + elapsed ticks)."""
        self.now_s = now_s = self._monotonic()
        last = int(now_s / TICK_S)
        for bucket in range(self._at + 1, last + 1):
            self._at = bucket
            self._visit(self._buckets.pop(bucket, ()), now_s)

    def _visit(self, items: "set[Timed] | tuple[()]", now_s: float) -> None:
        for item in tuple(items):
            if item.bucket != self._at:
                continue  # forgotten or moved by an earlier one of this bucket
            item.bucket = NEVER
            try:
                at_s = item.tick(now_s)
            except Exception as error:  # one item's fault must not cost the others their deadlines
                self.forget(item)
                log.exception("tick_failed", item=type(item).__name__, error=type(error).__name__)
                continue
            if at_s is not None:
                self.watch(item, at_s)
