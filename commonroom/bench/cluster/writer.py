"""Keeps one durable message in flight in a room, and remembers when each was acknowledged."""

import asyncio
from itertools import pairwise
from typing import NamedTuple

from commonroom.bench.cluster.roamer import Roamer
from commonroom.clock import monotonic_us

__all__ = ["SIZE_BYTES", "Ack", "Writer"]

SIZE_BYTES = 128


class Ack(NamedTuple):
    """One acknowledged message."""

    sent_us: int
    acked_us: int
    life: int
    """On which of its connections the person was then, from 1."""


class Writer:
    """Writes through one person until stopped: the next message `gap_s` after the last one's acknowledgement.

    A message is written again, with the same nonce, after RETRY and after a lost socket.
    """

    def __init__(self, person: Roamer, gap_s: float) -> None:
        self.person = person
        self.acks: list[Ack] = []
        self._gap_s = gap_s
        self._sent_us = 0
        self._running = False

    @property
    def is_done(self) -> bool:
        """Whether nothing waits for its acknowledgement."""
        return not self._sent_us

    def start(self) -> None:
        """Begin."""
        self._running = True
        self.person.on_progress = self._look
        self._next()

    def stop(self) -> None:
        """Write nothing new."""
        self._running = False

    def first_after(self, moment_us: int) -> int | None:
        """Microseconds from a moment to the first acknowledgement of a message written after it; None: not yet."""
        return next((ack.acked_us - moment_us for ack in _written_after(self.acks, moment_us)), None)

    def longest_silence_us(self, began_us: int, ended_us: int) -> int:
        """The longest time without an acknowledgement between two moments."""
        moments = [began_us, *(ack.acked_us for ack in self.acks if began_us <= ack.acked_us <= ended_us), ended_us]
        return max(later - earlier for earlier, later in pairwise(moments))

    def _next(self) -> None:
        if self._running and not self._sent_us:
            self._sent_us = monotonic_us()
            self.person.say(self._sent_us, SIZE_BYTES)

    def _look(self) -> None:
        if self._sent_us and self.person.is_answered():
            self.acks.append(Ack(self._sent_us, monotonic_us(), self.person.lives))
            self._sent_us = 0
            asyncio.get_running_loop().call_later(self._gap_s, self._next)


def _written_after(acks: list[Ack], moment_us: int) -> list[Ack]:
    """Those of messages written after a moment, oldest first, without looking at all before it."""
    found: list[Ack] = []
    for ack in reversed(acks):
        if ack.sent_us <= moment_us:
            break
        found.append(ack)
    return found[::-1]
