"""Who was here while a focus phase ran, and for how long: the study ledger's evidence."""

from collections.abc import Iterable
from heapq import nlargest

from msgspec import Struct

from commonroom.actors.room.roster import Member, Roster
from commonroom.identity import Principal

__all__ = ["MAX_ATTENDEES", "Attendance", "Meter", "PhaseAttendance"]

MAX_ATTENDEES = 2000
"""Those who stayed longest: with 40 bytes each the event stays far below a lane's batch (256 KB)."""


class Attendance(Struct, frozen=True, array_like=True, gc=False):
    """How long one person was here while the phase ran, ms."""

    principal: Principal
    present_ms: int


class PhaseAttendance(Struct, frozen=True, array_like=True):
    """Private facts of a timer's event. Never framed.

    On a phase's end: `people` who attended the finished focus phase, over all its
    stretches (empty for a break), and how many were `present` at its end. On a pause of
    a focus phase: the same up to now, so that a pause outlives the activation.
    """

    people: list[Attendance]
    present: int = 0


class Meter:
    """Those who left during the running stretch. Volatile: what an activation did not see is not claimed."""

    __slots__ = ("_spent",)

    def __init__(self) -> None:
        self._spent: dict[Principal, int] = {}

    def left(self, member: Member, began_at: int, until: int) -> None:
        """Keep what `member` attended of the stretch that began at `began_at`."""
        _add(self._spent, member.principal, until - max(member.since, began_at))
        if len(self._spent) >= 2 * MAX_ATTENDEES:
            self._spent = dict(_longest(self._spent))

    def total(self, earlier: Iterable[Attendance], roster: Roster, began_at: int, until: int, elapsed_ms: int) -> list[Attendance]:
        """Everybody's time: of earlier stretches, of those who left, of those still here.

        A guest's counts for the user here whom it became. Two who were one person are one
        clock: nobody attended for more than `elapsed_ms`, what has passed of the phase.
        """
        total: dict[Principal, int] = {}
        for principal, spent_ms in self._spent.items():
            _add(total, roster.now(principal), spent_ms)
        for attended in earlier:
            _add(total, roster.now(attended.principal), attended.present_ms)
        for member in roster:
            _add(total, member.principal, until - max(member.since, began_at))
        return [Attendance(principal, min(spent_ms, elapsed_ms)) for principal, spent_ms in _longest(total)]

    def clear(self) -> None:
        """Another stretch begins."""
        self._spent.clear()


def _add(total: dict[Principal, int], principal: Principal, spent_ms: int) -> None:
    if spent_ms > 0:
        total[principal] = total.get(principal, 0) + spent_ms


def _longest(total: dict[Principal, int]) -> Iterable[tuple[Principal, int]]:
    if len(total) <= MAX_ATTENDEES:
        return total.items()
    return nlargest(MAX_ATTENDEES, total.items(), key=lambda one: one[1])
