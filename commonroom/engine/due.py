"""Actors that must be live at a time to come, though nobody speaks to them.

The journal knows each actor's `next_due`. One query covers a horizon of minutes and
puts what it finds on the heap; a timer asks again before the horizon is reached. So
nothing scans rooms, and a passivated actor costs at most one heap entry. What is
due, after a restart perhaps thousands, goes through a token bucket, oldest first.
"""

from collections import deque
from collections.abc import Callable, Container, Sequence

import structlog

from commonroom.clock import Clock
from commonroom.engine.address import Address, slot_of_address
from commonroom.engine.schedule import Deadlines, Entry
from commonroom.errors import CommonroomError
from commonroom.storage.journal.port import Journal
from commonroom.tasks import TaskGroup

__all__ = ["DueLoader"]

log = structlog.get_logger(__name__)

HORIZON_MS = 300_000
LEAD_MS = 60_000
"""The next query is made this long before the horizon."""

RETRY_MS = 1_000
BATCH = 256
"""Addresses a query may find beyond those known already."""

BURST = 32
PER_S = 200
"""Activations let through at once, and a second."""


class DueLoader:
    """Activates actors whose time has come.

    Args:
        activate: makes the actor live, given the due time; False while it is left alone after failures.
        known: how many actors of this host the query may find besides new ones.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        deadlines: Deadlines,
        tasks: TaskGroup,
        activate: Callable[[Address, int], bool],
        known: Callable[[], int],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._deadlines = deadlines
        self._tasks = tasks
        self._activate = activate
        self._known = known
        self._horizon = 0
        self._asleep: dict[Address, tuple[int, Entry]] = {}
        self._ready: deque[tuple[Address, int]] = deque()
        self._tokens = float(BURST)
        self._filled_at = 0
        self._pumping: Entry | None = None
        self._next_scan: tuple[int, Entry] | None = None
        self._scanning = False

    def start(self) -> None:
        """Ask the journal for the first horizon, in the background."""
        self._filled_at = self._clock.now()
        self._scan()

    def opened(self, slots: Sequence[int]) -> None:
        """Arm the deadlines of slots that are ours now, in the background."""
        self._tasks.start("due actors of opened slots", self._query_slots(slots))

    def closed(self, slots: Container[int]) -> None:
        """Forget those of slots that are not."""
        for address in [address for address in self._asleep if slot_of_address(address) in slots]:
            self.awake(address)
        self._ready = deque(due for due in self._ready if slot_of_address(due[0]) not in slots)

    def sleep(self, address: Address, due: int) -> None:
        """The actor is not live: wake it at `due`, or leave it to a later query."""
        if due > self._horizon or ((kept := self._asleep.get(address)) is not None and kept[0] <= due):
            return
        self.awake(address)
        self._asleep[address] = due, self._deadlines.at(due, self._ripe, (address, due))

    def awake(self, address: Address) -> None:
        """The actor is live and minds its deadlines itself."""
        if self._asleep and (kept := self._asleep.pop(address, None)) is not None:
            self._deadlines.cancel(kept[1])

    def scan_at(self, at: int) -> None:
        """Ask the journal again at `at` or before: an actor failed, and only the journal knows whether it is due."""
        if self._next_scan is not None:
            if self._next_scan[0] <= at:
                return
            self._deadlines.cancel(self._next_scan[1])
        self._next_scan = at, self._deadlines.at(at, self._scan)

    def _ripe(self, due: tuple[Address, int]) -> None:
        self._asleep.pop(due[0], None)
        self._ready.append(due)
        if self._pumping is None:
            self._pump()

    def _pump(self, _: object = None) -> None:
        """Let through as many as there are tokens; go on when there are more."""
        now = self._clock.now()
        self._tokens = min(float(BURST), self._tokens + (now - self._filled_at) * PER_S / 1000)
        self._filled_at = now
        while self._ready and self._tokens >= 1:
            self._tokens -= 1
            if not self._activate(*self._ready.popleft()):
                self.scan_at(now + RETRY_MS)
        self._pumping = self._deadlines.at(now + 1000 * BURST // PER_S, self._pump) if self._ready else None

    def _scan(self, _: object = None) -> None:
        self._next_scan = None
        if self._scanning or len(self._ready) >= BATCH:
            self.scan_at(self._clock.now() + RETRY_MS)
        else:
            self._scanning = True
            self._tasks.start("due actors", self._query())

    async def _query(self) -> None:
        """One horizon; set before asking, so that whoever falls asleep meanwhile is kept."""
        self._horizon = self._clock.now() + HORIZON_MS
        limit = BATCH + len(self._asleep) + len(self._ready) + self._known()
        try:
            found = await self._journal.due(self._horizon, limit)
        except CommonroomError as error:
            log.warning("due_query_failed", reason=str(error))
            self.scan_at(self._clock.now() + RETRY_MS)
            return
        finally:
            self._scanning = False
        if len(found) == limit:
            self._horizon = found[-1][1]
        for stream, due in found:
            self.sleep(Address.parse(stream), due)
        self.scan_at(max(self._clock.now() + RETRY_MS, self._horizon - LEAD_MS))

    async def _query_slots(self, slots: Sequence[int]) -> None:
        """What falls due within the horizon that the last query set."""
        limit = BATCH + len(self._asleep) + len(self._ready) + self._known()
        try:
            found = await self._journal.due(self._horizon, limit, slots)
        except CommonroomError as error:
            log.warning("due_query_failed", reason=str(error))
            self.scan_at(self._clock.now() + RETRY_MS)
            return
        if len(found) == limit:
            self.scan_at(found[-1][1])
        for stream, due in found:
            self.sleep(Address.parse(stream), due)
