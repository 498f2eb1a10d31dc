"""What a room leaves out when it says more, to more people, than it may (FEATURES P16).

Its load is pushes a second times sessions: the writes that it causes on all nodes together, were
each push a write of its own. It is measured over a second at a time, and only while the room is
spoken to. Over its budget a room degrades in steps:

| level | from | what is left out |
|---|---|---|
| 1 | the budget | nothing: each node gathers pushes for up to `gateway.fanout_max_delay_ms` and writes them together |
| 2 | twice | presence is a count, whatever the number of people |
| 3 | four times | nobody new is seen typing, casts are dropped |

What is left out counts as if it were told: else a room would recover by what it leaves out, and
begin again. It recovers by a level once the load has been below half of what began that level
for `CALM_WINDOWS` in a row. A new activation begins at 0. Durable pushes are never left out.
"""

from typing import Final

from commonroom.engine.actor import Context, Wake
from commonroom.protocol.room import LoadLevel, RoomLoad

__all__ = ["CALM_WINDOWS", "CONFLATE", "COUNTS", "QUIET", "STEPS", "WAKE", "WINDOW_MS", "Load"]

WINDOW_MS: Final = 1000
CALM_WINDOWS: Final = 5

STEPS: Final = (1.0, 2.0, 4.0)
"""Times the budget: what begins each level."""

RELIEF: Final = 0.5

COUNTS: Final = 2
"""From this level on presence is a count…"""
QUIET: Final = 3
"""…and from this one on nobody is seen typing and nothing is cast."""

WAKE: Final = "load"
CONFLATE: Final = "load"


class Load:
    """The load of one activation.

    Args:
        budget_per_s: deliveries a second, more than 0; infinite: there is no limit.
    """

    __slots__ = ("_budget_per_s", "_calm", "_head", "_since", "_untold", "level", "look_at", "pushes")

    def __init__(self, budget_per_s: float) -> None:
        self.level: LoadLevel = 0
        self.look_at = 0
        """Cluster ms from which `weigh` is to be called with the next command."""
        self.pushes = 0
        """Volatile ones of this window, with those that were left out."""
        self._budget_per_s = budget_per_s
        self._since = 0
        self._head = 0
        self._calm = 0  # windows in a row
        self._untold = False

    def weigh(self, ctx: Context, room: str, head: int, sessions: int) -> bool:
        """End a window; whether the level is another. What was published since the last call counts as of `sessions` now.

        Args:
            head: the offset of the last durable push.
        """
        elapsed_ms = max(ctx.now - self._since, 1)
        per_s = (self.pushes + head - self._head) * sessions * 1000 / elapsed_ms
        self._since, self._head, self.pushes = ctx.now, head, 0
        self.look_at = ctx.now + WINDOW_MS
        before, self.level = self.level, self._level(per_s)
        if self.level != before or self._untold:
            self._untold = False
            ctx.publish(RoomLoad(room, self.level), conflate=CONFLATE)
        if self.level:
            ctx.schedule(self.look_at, Wake(WAKE, 0))
        return self.level != before

    def announced(self) -> None:
        """A gateway follows anew, and takes a room that says nothing for one of level 0."""
        self._untold = self.level > 0

    def _level(self, per_s: float) -> LoadLevel:
        reached = sum(per_s > self._budget_per_s * step for step in STEPS)
        if reached > self.level:
            self._calm = 0
            return reached
        if not self.level or per_s > self._budget_per_s * STEPS[self.level - 1] * RELIEF:
            self._calm = 0
            return self.level
        self._calm += 1
        if self._calm < CALM_WINDOWS:
            return self.level
        self._calm = 0
        return self.level - 1
