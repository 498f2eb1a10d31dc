"""Presence: who is here, told at most every quarter of a second. Volatile.

The coming and going of `COALESCE_MS` becomes one push. Over `MAX_LISTED` people the
pushes and snapshots carry a count alone; when the room shrinks again, one reset lists
everybody.
"""

from typing import Any

from commonroom.actors.room.feature import Feature, Room
from commonroom.actors.room.roster import Member
from commonroom.engine.actor import Context, Wake
from commonroom.identity import Principal
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate
from commonroom.protocol.roster import Person

__all__ = ["COALESCE_MS", "MAX_LISTED", "Presence"]

COALESCE_MS = 250
MAX_LISTED = 500


class Presence(Feature):
    """The feature `presence`."""

    __slots__ = ("_activation", "_counted", "_joined", "_left", "_pending", "_rev")

    name = "presence"

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._activation = ""
        self._rev = 0
        self._joined: dict[Principal, Person] = {}
        self._left: set[Principal] = set()
        self._pending = False
        self._counted = False

    def arrived(self, ctx: Context, member: Member) -> None:
        principal = member.person.principal
        self._left.discard(principal)
        self._joined[principal] = member.person
        self._tell_soon(ctx)

    def departed(self, ctx: Context, member: Member) -> None:
        principal = member.person.principal
        # Told as left even if its arrival was not told yet: a snapshot in between may list it.
        self._joined.pop(principal, None)
        self._left.add(principal)
        self._tell_soon(ctx)

    def wake(self, ctx: Context, wake: Wake) -> None:
        self._pending = False
        self._activation = ctx.activation
        self._rev += 1
        joined, left = list(self._joined.values()), list(self._left)
        self._joined.clear()
        self._left.clear()
        if len(self.room.roster) > MAX_LISTED:
            self._counted = True
            ctx.publish(self._update([], []), conflate="presence:count")
        elif self._counted:
            self._counted = False
            ctx.publish(PresenceReset(self.room.id, self._snapshot()), conflate="presence:reset")
        else:
            ctx.publish(self._update(joined, left))

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        self._activation = ctx.activation
        return {"presence": self._snapshot()}

    def resync(self) -> PresenceReset:
        return PresenceReset(self.room.id, self._snapshot())

    def _tell_soon(self, ctx: Context) -> None:
        if not self._pending:
            self._pending = True
            ctx.schedule(ctx.now + COALESCE_MS, Wake(self.name, 0))

    def _update(self, joined: list[Person], left: list[Principal]) -> PresenceUpdate:
        return PresenceUpdate(self.room.id, self._activation, self._rev, len(self.room.roster), joined, left)

    def _snapshot(self) -> PresenceSnapshot:
        roster = self.room.roster
        people = [member.person for member in roster] if len(roster) <= MAX_LISTED else []
        return PresenceSnapshot(self._activation, self._rev, len(roster), people)
