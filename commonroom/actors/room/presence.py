"""Presence: who is here, told at most once a second. Volatile.

Where nobody came or went for a second, a change is told `COALESCE_MS` after it, else `PACE_MS`
after the last push: however many flap, a viewer gets one push a second, and what it
shows is a second old at most. A push names everybody who was touched since the last one, even
who came and went: a snapshot taken in between may list them. So `joined` and
`left` are idempotent for whoever applies them.

An upgrade (FEATURES P2) is told at once: what the person says next should have a name.

Over `MAX_LISTED` people, pushes and snapshots carry a count alone, until no more than
`LISTED_AGAIN` are left: a room at the border must not send lists of hundreds to
hundreds again and again. The same holds for a room under load (`load.py`). Each change of that
mode, and a new activation whose people were here before it, is told by a reset.
"""

from typing import Any

from commonroom.actors.room.feature import Feature, Room
from commonroom.actors.room.load import COUNTS
from commonroom.actors.room.roster import Member
from commonroom.engine.actor import Context, Wake
from commonroom.identity import Principal
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate, PrincipalUpgraded

__all__ = ["COALESCE_MS", "LISTED_AGAIN", "MAX_LISTED", "PACE_MS", "Presence"]

COALESCE_MS = 250
PACE_MS = 1000
MAX_LISTED = 500
LISTED_AGAIN = 450


class Presence(Feature):
    """The feature `presence`."""

    __slots__ = ("_activation", "_counted", "_pending", "_reset", "_rev", "_told_at", "_touched")

    name = "presence"

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._activation = ""
        self._rev = 0
        self._touched: dict[Principal, None] = {}
        self._pending = False
        self._reset = False
        self._counted = False
        self._told_at = 0

    def arrived(self, ctx: Context, member: Member) -> None:
        self._touch(ctx, member.principal)

    def departed(self, ctx: Context, member: Member) -> None:
        self._touch(ctx, member.principal)

    def upgraded(self, ctx: Context, former: Principal, member: Member) -> None:
        if self._counted or self._reset or self._counts_only():
            self._touch(ctx, former)
            self._touch(ctx, member.principal)
            return
        self._touched.pop(former, None)
        self._touched.pop(member.principal, None)
        self._activation = ctx.activation
        self._rev += 1
        upgraded = PrincipalUpgraded(self.room.id, self._activation, self._rev, len(self.room.roster), former, member.person)
        self.room.publish(ctx, upgraded)

    def announced(self, ctx: Context) -> None:
        self._reset = True  # their counts of another activation mean nothing in this one
        self._tell_soon(ctx)

    def load_changed(self, ctx: Context) -> None:
        if self._counts_only() != self._counted:
            self._tell_soon(ctx)

    def wake(self, ctx: Context, wake: Wake) -> None:
        counted = self._counts_only()
        reset = self._reset or counted != self._counted
        touched, self._touched = self._touched, {}
        self._pending = self._reset = False
        self._counted = counted
        if not (reset or counted or touched):
            return  # an upgrade has told it
        self._rev += 1
        self._told_at = ctx.now
        if reset:
            self.room.publish(ctx, PresenceReset(self.room.id, self._snapshot()), conflate="presence")
        else:
            # A delta has no conflation key: who misses one rev needs a fresh snapshot.
            self.room.publish(ctx, self._update({} if counted else touched))

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        self._activation = ctx.activation
        return {"presence": self._snapshot()}

    def count(self, hidden: frozenset[Principal]) -> int:
        """How many are here for somebody who does not see these people, as the socket tells it: where nobody is named all count."""
        roster = self.room.roster
        unseen = 0 if not hidden or self._counts_only() else sum(member.principal in hidden for member in roster)
        return len(roster) - unseen

    def resync(self) -> PresenceReset:
        return PresenceReset(self.room.id, self._snapshot())

    def _touch(self, ctx: Context, principal: Principal) -> None:
        if not self._counted:
            self._touched[principal] = None
        self._tell_soon(ctx)

    def _tell_soon(self, ctx: Context) -> None:
        self._activation = ctx.activation
        if not self._pending:
            self._pending = True
            ctx.schedule(max(ctx.now + COALESCE_MS, self._told_at + PACE_MS), Wake(self.name, 0))

    def _counts_only(self) -> bool:
        return self.room.load.level >= COUNTS or len(self.room.roster) > (LISTED_AGAIN if self._counted else MAX_LISTED)

    def _update(self, touched: dict[Principal, None]) -> PresenceUpdate:
        roster = self.room.roster
        joined = [member.person for principal in touched if (member := roster.get(principal)) is not None]
        left = [principal for principal in touched if principal not in roster]
        return PresenceUpdate(self.room.id, self._activation, self._rev, len(roster), joined, left)

    def _snapshot(self) -> PresenceSnapshot:
        roster = self.room.roster
        counted = self._counts_only()
        if counted != self._counted:
            self._reset = True  # this reader is ahead of the others: no delta fits it
        people = [] if counted else [member.person for member in roster]
        return PresenceSnapshot(self._activation, self._rev, len(roster), people)
