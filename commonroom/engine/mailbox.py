"""An actor's queue: a bounded deque drained by `call_soon`.

A deque and one `call_soon` a turn cost 0.27 us a message where `asyncio.Queue` and
a task take 0.74 (DESIGN 3). The deque is made on first use: most actors of a big
node sit idle.
"""

from collections import deque
from collections.abc import Callable, Iterable

from commonroom.engine.envelope import Attach, Detach, Envelope, Resync

__all__ = ["SIGNALS", "Mailbox"]

SIGNALS = frozenset({Attach, Detach, Resync})
"""Never refused: a lost `Detach` is a ghost. Bounded all the same, by the number of sessions."""

CallSoon = Callable[[Callable[[], None]], object]


class Mailbox:
    """Envelopes of one activation, in order of arrival.

    Closed at first: what arrives waits until `open`.

    Args:
        limit: most queued commands; signals pass beyond it.
        budget: most envelopes of one turn, so that one busy actor starves nobody.
        call_soon: the loop's.
        begin: called once before each turn; False puts the turn off to the next one.
        handle: called for each envelope; must not raise.
    """

    __slots__ = ("_armed", "_begin", "_budget", "_call_soon", "_handle", "_limit", "_open", "_queue")

    def __init__(self, limit: int, budget: int, call_soon: CallSoon, begin: Callable[[], bool], handle: Callable[[Envelope], None]) -> None:
        self._limit = limit
        self._budget = budget
        self._call_soon = call_soon
        self._begin = begin
        self._handle = handle
        self._queue: deque[Envelope] | None = None
        self._open = False
        self._armed = False

    def __len__(self) -> int:
        return len(self._queue) if self._queue else 0

    def put(self, envelope: Envelope) -> bool:
        """Queue an envelope; False, and not queued, when the mailbox is full."""
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        elif len(queue) >= self._limit and type(envelope.command) not in SIGNALS:
            return False
        queue.append(envelope)
        if self._open and not self._armed:
            self._armed = True
            self._call_soon(self._turn)
        return True

    def open(self, behind: Iterable[Envelope] = ()) -> None:
        """Begin to take turns; `behind` goes after what is queued now, whatever the limit."""
        self._open = True
        if self._queue is None:
            self._queue = deque()
        self._queue.extend(behind)
        self._arm()

    def close(self) -> None:
        """Take no more turns; go on queueing."""
        self._open = False

    def retire(self) -> list[Envelope]:
        """Take no more turns for good, and let go of who took them; hands over all that is queued."""
        self.close()
        self._begin, self._handle = _never, _nobody
        return self.clear()

    @property
    def closed(self) -> bool:
        """Whether it takes no turns."""
        return not self._open

    def clear(self) -> list[Envelope]:
        """Hand over all that is queued."""
        if not self._queue:
            return []
        left = list(self._queue)
        self._queue.clear()
        return left

    def _arm(self) -> None:
        if self._open and self._queue and not self._armed:
            self._armed = True
            self._call_soon(self._turn)

    def _turn(self) -> None:
        self._armed = False
        if self._open and self._queue and self._begin():
            self._drain(self._queue)
        self._arm()

    def _drain(self, queue: deque[Envelope]) -> None:
        handle = self._handle
        for _ in range(min(len(queue), self._budget)):
            if not self._open:  # the last one ended the activation
                return
            handle(queue.popleft())


def _never() -> bool:
    return False


def _nobody(_envelope: Envelope) -> None: ...
