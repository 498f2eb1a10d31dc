"""Taking, holding and giving away slots (DESIGN 5).

    ELSEWHERE ──ours by the table──► OPENING ──opened──► OPEN ──another should have it──► CLOSING
        ▲                               │                 │                                  │
        └───────────── fenced, failed ──┴─────────────────┴────────────── given away ────────┘

The table in PostgreSQL is the authority, the view says who lives, placement says who
should have what. One task reconciles the three whenever one of them changes: it opens
what is ours, claims what belongs to the dead, gives away what another should have.

Invariant (I1): a slot opens only at an epoch that the table was seen to hold for us, after
the move to it had committed; and never twice at the same epoch.
Invariant: a dead owner is one that is missing from a view asked for *after* the table
was read, outside a quiet period: an owner had to be a member to become one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, Protocol

import structlog
from msgspec import Struct

from commonroom.engine.address import SLOTS
from commonroom.engine.cluster.member import View
from commonroom.engine.cluster.placement import place
from commonroom.engine.cluster.port import SlotTable
from commonroom.errors import Unavailable
from commonroom.storage.slot_table import SlotOwner
from commonroom.tasks import TaskGroup, pause

__all__ = ["Ownership", "OwnershipStats", "Phase", "SlotHolder", "Switch"]

log = structlog.get_logger(__name__)

CLAIM_BATCH: Final = 256
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
OPENING_PATIENCE_S: Final = 0.3
"""So long a batch waits until its predecessor is open at its new owner."""
FIRST_BATCH: Final = 4
"""Slots in the first batch; each further one is twice as large: a node that has just come is slow at its first rooms."""
REST_S: Final = 0.06
"""Between two batches: the rooms of the last one are loaded meanwhile (measured: p99 of the silence 128 ms, without 212 to 295)."""


class Phase(Enum):
    """Where a slot is, as this node sees it; see the module's text."""

    ELSEWHERE = "elsewhere"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"


class OwnershipStats(Struct):
    """Counts since the start; times in seconds, their sums beside them."""

    claimed: int = 0
    opened: int = 0
    given: int = 0
    lost: int = 0
    opening_s: float = 0.0
    openings: int = 0
    closing_s: float = 0.0
    closings: int = 0


class SlotHolder(Protocol):
    """What lives in slots on this node: journal, projections, actors, in this order; or one of them."""

    async def open_slots(self, epochs: Mapping[int, int]) -> None:
        """Ours at these epochs. Raises Unavailable; then none is open."""
        ...

    async def close_slots(self, slots: Sequence[int]) -> set[int]:
        """Finish what is under way and forget them; those that could be closed cleanly. The others are dropped."""
        ...

    def drop_slots(self, slots: Sequence[int]) -> None:
        """Not ours any more: forget at once. What was not answered goes to the next owner."""
        ...


class Switch(Protocol):
    """Where commands for a slot go; told of every change, on the loop."""

    def to_here(self, slots: Mapping[int, int]) -> None:
        """Open here, at these epochs."""
        ...

    def to_member(self, slots: Mapping[int, int], member: str) -> None:
        """Another's, at these epochs."""
        ...

    def to_nobody(self, slots: Iterable[int]) -> None:
        """Wait: there is no owner, or it is changing."""
        ...

    def moved(self, slots: Mapping[int, int], owner: str) -> None:
        """We have moved them: tell everyone."""
        ...


class Ownership:
    """The slots of one node.

    Args:
        refresh: a beat; its view is newer than the call. Raises Unavailable.
        batch: most slots given away at once.
        monotonic: seconds.
    """

    def __init__(
        self,
        me: str,
        table: SlotTable,
        holder: SlotHolder,
        switch: Switch,
        *,
        refresh: Callable[[], Awaitable[View]],
        batch: int,
        monotonic: Callable[[], float],
    ) -> None:
        self.me = me
        self.stats = OwnershipStats()
        self._table = table
        self._holder = holder
        self._switch = switch
        self._refresh = refresh
        self._batch = batch
        self._next_batch = min(FIRST_BATCH, batch)
        self._monotonic = monotonic
        self._rows = [SlotOwner(slot, 0, None) for slot in range(SLOTS)]
        self._phases = [Phase.ELSEWHERE] * SLOTS
        self._routes: list[tuple[int, str] | None] = [None] * SLOTS
        self._spent = [0] * SLOTS
        self._view = View()
        self._targets: tuple[str | None, ...] = (None,) * SLOTS
        self._stale = True
        self._unread = False  # slots have moved since the table was read, as far as the view tells
        self._given: dict[int, int] = {}  # not open at their new owners yet, as far as heard
        self._arrived = asyncio.Event()
        self._wake = asyncio.Event()
        self._turned = asyncio.Event()
        self._tasks = TaskGroup(self._crashed)

    def open(self) -> None:
        """Start reconciling."""
        self._wake.set()
        self._tasks.start("ownership", self._run())

    async def close(self) -> None:
        """Stop reconciling; what is open stays so. Safe to call twice."""
        await self._tasks.close()

    # -- what is known -----------------------------------------------------------------

    def epoch_here(self, slot: int) -> int:
        """The epoch of a slot that is open here, else 0."""
        return self._rows[slot].epoch if self._phases[slot] is Phase.OPEN else 0

    def known(self, slot: int) -> tuple[int, str | None]:
        """Epoch and owner, the latest heard of."""
        row = self._rows[slot]
        return row.epoch, row.owner

    @property
    def here(self) -> list[int]:
        """The slots that are open here."""
        return self._in(Phase.OPEN)

    @property
    def moving(self) -> list[int]:
        """The slots that open or close here now."""
        return [*self._in(Phase.OPENING), *self._in(Phase.CLOSING)]

    def owners(self) -> list[str | None]:
        """The owner of each slot, as far as known."""
        return [row.owner for row in self._rows]

    async def settled(self) -> None:
        """Wait until this node has all it should have and nothing else, by its view."""
        while self._stale or any(self._unsettled(slot) for slot in range(SLOTS)):
            turned = self._turned
            await turned.wait()

    def _unsettled(self, slot: int) -> bool:
        phase, target = self._phases[slot], self._targets[slot]
        if phase is Phase.OPEN:
            return target not in {self.me, None}
        return phase is not Phase.ELSEWHERE or target == self.me

    # -- what is heard -----------------------------------------------------------------

    def viewed(self, view: View) -> None:
        """There is a new view."""
        self._unread |= view.slots_version != self._view.slots_version
        if view.members != self._view.members:
            self._targets = place(view.members.values())
        before, self._view = self._view, view
        if view.reachable.keys() != before.reachable.keys():
            self._reroute(range(SLOTS))
        self._wake.set()

    def rested(self) -> None:
        """The view is what it was a beat ago: nobody has moved slots since.

        Who moves slots tells everyone. For the case that we missed it the table is read again, but only now: while a node
        drains that would be a thousand rows for each batch, in all nodes at once.
        """
        if self._unread:
            self._unread = False
            self.outrun()

    def learn(self, rows: Iterable[SlotOwner]) -> None:
        """Rows of the table, as committed at some time; older ones than known change nothing."""
        newer = [row for row in rows if row.epoch > self._rows[row.slot].epoch]
        for row in newer:
            self._rows[row.slot] = row
        lost = [row.slot for row in newer if self._phases[row.slot] is not Phase.ELSEWHERE]
        self._lose(lost)
        self._reroute(row.slot for row in newer)
        if newer:
            self._wake.set()

    def served(self, slots: Mapping[int, int]) -> None:
        """Their owner says that it serves them, at these epochs."""
        for slot, epoch in slots.items():
            if self._given.get(slot, epoch + 1) <= epoch:
                del self._given[slot]
        if not self._given:
            self._arrived.set()

    def fenced(self, slot: int) -> None:
        """A write was refused: the slot is another's already."""
        if self._phases[slot] is Phase.OPEN:
            self._lose([slot])
        self.outrun()

    def outrun(self) -> None:
        """The table has moved on without our hearing of it."""
        self._stale = True
        self._wake.set()

    async def verify(self) -> None:
        """Read the table. Raises Unavailable."""
        self.learn(await self._table.read())

    def restart(self, me: str) -> None:
        """We are another incarnation, which owns nothing."""
        self._lose([slot for slot in range(SLOTS) if self._phases[slot] is not Phase.ELSEWHERE])
        self.me = me
        self._view = View()
        self._targets = (None,) * SLOTS
        self._stale = True
        self._reroute(range(SLOTS))

    async def release(self) -> None:
        """Give all that is open to nobody: the last node leaves. Raises Unavailable."""
        slots = self.here
        clean = await self._close(slots)
        await self._table.move({slot: self._rows[slot].epoch for slot in clean}, None)

    # -- the work ------------------------------------------------------------------------

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._reconcile()
                pause_s = FIRST_PAUSE_S
            except Unavailable as error:
                log.warning("slots_wait", reason=str(error))
                await pause(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                self._wake.set()
            turned, self._turned = self._turned, asyncio.Event()
            turned.set()

    async def _reconcile(self) -> None:
        if self._stale:
            await self._reread()
        await self._open_ours()
        await self._claim_orphans()
        await self._give_batch()

    async def _reread(self) -> None:
        self._stale = False
        try:
            await self.verify()
        except BaseException:
            self._stale = True
            raise

    async def _open_ours(self) -> None:
        ours = [row for row in self._rows if row.owner == self.me and self._phases[row.slot] is Phase.ELSEWHERE]
        used = {row.slot: row.epoch for row in ours if row.epoch <= self._spent[row.slot]}
        if used:
            await self._move(used, self.me)
            self._wake.set()
        epochs = {row.slot: row.epoch for row in ours if row.slot not in used}
        if epochs:
            await self._open(epochs)

    async def _open(self, epochs: Mapping[int, int]) -> None:
        began_s = self._monotonic()
        self._set(epochs, Phase.OPENING)
        try:
            await self._holder.open_slots(epochs)
        except BaseException:
            self._set([slot for slot in epochs if self._is(slot, epochs[slot], Phase.OPENING)], Phase.ELSEWHERE)
            raise
        opened = {slot: epoch for slot, epoch in epochs.items() if self._is(slot, epoch, Phase.OPENING)}
        self._holder.drop_slots([slot for slot in epochs if slot not in opened])
        for slot, epoch in opened.items():
            self._spent[slot] = epoch
            self._routes[slot] = (epoch, self.me)
        self._set(opened, Phase.OPEN)
        self.stats.opened += len(opened)
        self.stats.openings += 1
        self.stats.opening_s += self._monotonic() - began_s
        self._switch.to_here(opened)
        self._switch.moved(opened, self.me)

    async def _claim_orphans(self) -> None:
        """Take what belongs to nobody who lives. Who lives is asked after who owns, see the module's text."""
        if not self._orphans(self._view, self._rows):
            return
        await self.verify()
        rows = tuple(self._rows)  # what is heard from now on may be newer than the view
        orphans = self._orphans(await self._refresh(), rows)
        for start in range(0, len(orphans), CLAIM_BATCH):
            moved = await self._move({row.slot: row.epoch for row in orphans[start : start + CLAIM_BATCH]}, self.me)
            self.stats.claimed += len(moved)
            await self._open_ours()

    def _orphans(self, view: View, rows: Iterable[SlotOwner]) -> list[SlotOwner]:
        if view.expelled or self.me not in view.members:
            return []
        return [row for row in rows if self._targets[row.slot] == self.me and self._is_orphan(row, view)]

    def _is_orphan(self, row: SlotOwner, view: View) -> bool:
        if row.owner is None:
            return True
        return row.owner not in view.members and not view.quiet

    async def _give_batch(self) -> None:
        """Hand some slots over to where they should be; the next round gives more.

        Also in a quiet period, when not all are known: a slot that another of the known
        should have instead of us would not be ours with more of them either. By a view asked
        for now: who gave us a slot did so by a newer one than ours, and would get it back.
        """
        if not self._leaving():
            self._next_batch = min(FIRST_BATCH, self._batch)
            return
        await self._until_arrived()
        await self._refresh()
        leaving = self._leaving()
        if not leaving:
            return
        self._wake.set()
        began_s = self._monotonic()
        batch = leaving[: self._next_batch]
        self._next_batch = min(2 * self._next_batch, self._batch)
        targets = {slot: self._targets[slot] for slot in batch}
        clean = await self._close(batch)
        try:
            takers = dict.fromkeys(target for target in targets.values() if target is not None)
            await asyncio.gather(*(self._give([slot for slot in clean if targets[slot] == taker], taker) for taker in takers))
        except Unavailable:
            self._stale = True
            raise
        self.stats.closings += 1
        self.stats.closing_s += self._monotonic() - began_s
        await pause(REST_S)

    async def _give(self, slots: Sequence[int], taker: str) -> None:
        moved = await self._move({slot: self._rows[slot].epoch for slot in slots}, taker)
        self.stats.given += len(moved)
        self._given.update(moved)
        self._switch.moved(moved, taker)

    def _leaving(self) -> list[int]:
        """What is open here and should be another's."""
        if self._view.expelled:
            return []
        return [slot for slot in self._in(Phase.OPEN) if self._targets[slot] not in {self.me, None}]

    async def _until_arrived(self) -> None:
        """What was given before is open by now: a slot that waits for its turn at the new owner is served by nobody."""
        if not self._given:
            return
        self._arrived.clear()
        try:
            async with asyncio.timeout(OPENING_PATIENCE_S):
                await self._arrived.wait()
        except TimeoutError:
            self._given.clear()

    async def _close(self, slots: Sequence[int]) -> list[int]:
        """Close what is open; those that closed cleanly and are still ours."""
        epochs = {slot: self._rows[slot].epoch for slot in slots}
        self._set(slots, Phase.CLOSING)
        self._reroute(slots)
        try:
            clean = await self._holder.close_slots(slots)
        except BaseException:
            self._set([slot for slot in slots if self._is(slot, epochs[slot], Phase.CLOSING)], Phase.ELSEWHERE)
            raise
        closed = [slot for slot in slots if self._is(slot, epochs[slot], Phase.CLOSING)]
        self._set(closed, Phase.ELSEWHERE)
        return [slot for slot in closed if slot in clean]

    async def _move(self, epochs: Mapping[int, int], owner: str | None) -> Mapping[int, int]:
        if not epochs:
            return {}
        moved = await self._table.move(epochs, owner)
        self.learn(SlotOwner(slot, epoch, owner) for slot, epoch in moved.items())
        if len(moved) < len(epochs):
            self._stale = True
            self._wake.set()
        return moved

    # -- phases and routes ---------------------------------------------------------------

    def _in(self, phase: Phase) -> list[int]:
        return [slot for slot, here in enumerate(self._phases) if here is phase]

    def _is(self, slot: int, epoch: int, phase: Phase) -> bool:
        return self._phases[slot] is phase and self._rows[slot].epoch == epoch

    def _set(self, slots: Iterable[int], phase: Phase) -> None:
        for slot in slots:
            self._phases[slot] = phase

    def _lose(self, slots: Sequence[int]) -> None:
        if not slots:
            return
        self.stats.lost += len(slots)
        self._set(slots, Phase.ELSEWHERE)
        self._holder.drop_slots(slots)  # first: what was not answered here goes before all that is sent from now on
        self._reroute(slots)

    def _reroute(self, slots: Iterable[int]) -> None:
        """Have commands go where the slots are now."""
        nobody: list[int] = []
        members: dict[str, dict[int, int]] = {}
        for slot in slots:
            route = self._route_of(slot)
            if route == self._routes[slot]:
                continue
            self._routes[slot] = route
            if route is None:
                nobody.append(slot)
            else:
                members.setdefault(route[1], {})[slot] = route[0]
        if nobody:
            self._switch.to_nobody(nobody)
        for member, epochs in members.items():
            self._switch.to_member(epochs, member)

    def _route_of(self, slot: int) -> tuple[int, str] | None:
        epoch, owner = self.known(slot)
        if self._phases[slot] is Phase.OPEN:
            return epoch, self.me
        if self._phases[slot] is Phase.ELSEWHERE and owner is not None and owner != self.me and owner in self._view.reachable:
            return epoch, owner
        return None

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault; slots must not stand still for it."""
        log.error("cluster_task_failed", task=name, error=type(error).__name__, exc_info=error)
        self._stale = True
        self._tasks.start(name, self._run_later())

    async def _run_later(self) -> None:
        await pause(LONGEST_PAUSE_S)
        self._wake.set()
        await self._run()
