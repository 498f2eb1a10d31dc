"""Presence: who is in a room. Volatile, coalesced, never journalled."""

from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from commonroom.identity import Principal
from commonroom.protocol.roster import Person
from commonroom.protocol.wire import Count, RoomPush

__all__ = ["PresenceReset", "PresenceSnapshot", "PresenceUpdate", "PrincipalUpgraded"]


class PresenceSnapshot(Struct, frozen=True, array_like=True):
    """All who are here, or only how many (`people` empty): of over 500, and from load level 2 on.

    `rev` counts the changes of one activation: a delta applies when its `rev` is
    the next one, an older one is dropped, a jump calls for a new snapshot.
    `activation` tells two counts apart.
    """

    activation: str
    rev: Count
    count: Count
    people: list[Person]

    def without(self, hidden: frozenset[Principal]) -> Self:
        """How this looks to somebody who does not see these people, but for `rev`. Where nobody is named they count."""
        seen = [person for person in self.people if person.principal not in hidden]
        return replace(self, count=self.count - len(self.people) + len(seen), people=seen)


class PresenceUpdate(RoomPush, frozen=True, tag=104):
    """Who came and went since `rev - 1`; where nobody is named only `count` changes."""

    activation: str
    rev: Count
    count: Count
    joined: list[Person]
    left: list[Principal]

    def without(self, hidden: frozenset[Principal]) -> Self | None:
        """See `RoomPush.without`; `count` is still everybody's."""
        joined = [person for person in self.joined if person.principal not in hidden]
        left = [person for person in self.left if person not in hidden]
        if not (joined or left) and (self.joined or self.left):
            return None
        return replace(self, joined=joined, left=left)


class PresenceReset(RoomPush, frozen=True, tag=105):
    """A fresh snapshot, sent unasked."""

    presence: PresenceSnapshot

    def without(self, hidden: frozenset[Principal]) -> Self:
        return replace(self, presence=self.presence.without(hidden))


class PrincipalUpgraded(RoomPush, frozen=True, tag=106):
    """Who was the guest `former` is `person` from now on, in the same place.

    A change of presence like `presence.update`: it has its `rev`. Where `person` was here
    besides, the two places are one now. What `former` wrote stays under `former`. Where
    nobody is named `presence.update` tells the count instead.
    """

    activation: str
    rev: Count
    count: Count
    former: Principal
    person: Person

    def without(self, hidden: frozenset[Principal]) -> "RoomPush | None":
        """See `RoomPush.without`; `count` is still everybody's. Who was seen as a guest and is hidden as a user has left."""
        if self.former in hidden:
            return None
        if self.person.principal in hidden:
            return PresenceUpdate(self.room, self.activation, self.rev, self.count, [], [self.former])
        return self
