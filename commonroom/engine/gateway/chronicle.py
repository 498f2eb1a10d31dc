"""The connections of this node that are over, for an hour, in memory: why somebody was closed, what they missed.

Everything is bounded: so many of one person, of which the latest stay, and so many of all. Nothing runs for it but when a
connection ends or somebody asks.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from typing import Final

from commonroom.clock import Clock
from commonroom.engine.trace import Trace

__all__ = ["KEPT_MS", "MAX_KEPT", "MAX_OF_ONE", "Chronicle"]

KEPT_MS: Final = 3_600_000
MAX_OF_ONE: Final = 50
MAX_KEPT: Final = 10_000
"""7 MB at most, if all are of different people."""


class Chronicle:
    """Remembers what it is told, in the order in which connections end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: OrderedDict[str, Trace] = OrderedDict()
        self._of: defaultdict[str, list[Trace]] = defaultdict(list)  # a tenth of a deque, for one or two

    def __len__(self) -> int:
        """How many are kept; some may be over their hour and not forgotten yet."""
        return len(self._all)

    def note(self, trace: Trace) -> None:
        """A connection ended."""
        theirs = self._of[trace.principal.actor_id]
        if len(theirs) >= MAX_OF_ONE:
            del self._all[theirs.pop(0).session]
        theirs.append(trace)
        self._all[trace.session] = trace
        self._forget()

    def of(self, actors: Iterable[str]) -> list[Trace]:
        """Those of these people in the last hour."""
        self._forget()
        return [trace for actor in actors for trace in self._of.get(actor, ())]

    def _forget(self) -> None:
        before = self._clock.now() - KEPT_MS
        while self._all:
            trace = next(iter(self._all.values()))
            if len(self._all) <= MAX_KEPT and (trace.closed_at or 0) >= before:
                return
            self._drop(trace)

    def _drop(self, trace: Trace) -> None:
        """The first of all is the first of its person."""
        del self._all[trace.session]
        theirs = self._of[trace.principal.actor_id]
        theirs.pop(0)
        if not theirs:
            del self._of[trace.principal.actor_id]
