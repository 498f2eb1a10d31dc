"""When a member speaks: one thing at a time, at its intended moment or as soon as the last is answered.

Open loop: the moments are given beforehand and durations count from them, so a server
that stalls cannot make the generator forget what it had meant to send (coordinated
omission). Closed loop: the next thing's moment is when the last was answered.
"""

from collections import deque

from commonroom.bench.load.member import Member
from commonroom.bench.load.tally import Tally
from commonroom.clock import monotonic_us

__all__ = ["MAX_WAITING", "Publisher"]

MAX_WAITING = 10_000
"""Intended moments that may wait behind an answer; beyond that the run is long lost."""


class Publisher:
    """Speaks through one member.

    Args:
        closed_loop: whether an answer is the moment of the next.
        awaits: whether it waits for the answer at all; without, what is due is sent at once.
    """

    def __init__(self, member: Member, tally: Tally, size_bytes: int, *, closed_loop: bool, awaits: bool = True) -> None:
        self.member = member
        self._tally = tally
        self._answers = tally.time("answer")
        self._size_bytes = size_bytes
        self._closed_loop = closed_loop
        self._awaits = awaits
        self._waiting: deque[int] = deque()
        self._at_us = 0
        self._running = False

    @property
    def is_done(self) -> bool:
        """Whether nothing waits for an answer."""
        return not self._at_us

    def start(self) -> None:
        """Begin; in a closed loop with the first thing."""
        self._running = True
        if self._awaits:
            self.member.on_progress = self._look
        if self._closed_loop:
            self.offer(monotonic_us())

    def stop(self) -> None:
        """Say nothing more; what was said may still be answered."""
        self._running = False
        self._waiting.clear()

    def offer(self, intended_us: int) -> None:
        """Speak at this moment, which is now or was a little while ago."""
        if not self._awaits:
            self.member.say(intended_us, self._size_bytes)
            return
        if len(self._waiting) >= MAX_WAITING:
            self._tally.count("not sent in time")
            return
        self._waiting.append(intended_us)
        self._next()

    def _next(self) -> None:
        if self._waiting and not self._at_us and self._running:
            self._at_us = self._waiting.popleft()
            self.member.say(self._at_us, self._size_bytes)

    def _look(self) -> None:
        """Something was read: perhaps the answer."""
        if not self._at_us or not self.member.is_answered():
            return
        now_us = monotonic_us()
        self._answers.record(now_us - self._at_us)
        self._at_us = 0
        if self._running and self._closed_loop:
            self._waiting.append(now_us)
        if self._waiting:
            self._next()
