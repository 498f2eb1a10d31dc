"""Presence: who is in a room. Volatile, coalesced, never journalled."""

from msgspec import Struct

from commonroom.identity import Principal
from commonroom.protocol.roster import Person
from commonroom.protocol.wire import Count, RoomPush

__all__ = ["PresenceReset", "PresenceSnapshot", "PresenceUpdate", "PrincipalUpgraded"]


class PresenceSnapshot(Struct, frozen=True, array_like=True):
    """All who are here, or only how many when there are over 500 (`people` empty).

    `rev` counts the changes of one activation: a delta applies when its `rev` is
    the next one, an older one is dropped, a jump calls for a new snapshot.
    `activation` tells two counts apart.
    """

    activation: str
    rev: Count
    count: Count
    people: list[Person]


class PresenceUpdate(RoomPush, frozen=True, tag=104):
    """Who came and went since `rev - 1`; over 500 people only `count` changes."""

    activation: str
    rev: Count
    count: Count
    joined: list[Person]
    left: list[Principal]


class PresenceReset(RoomPush, frozen=True, tag=105):
    """A fresh snapshot, sent unasked."""

    presence: PresenceSnapshot


class PrincipalUpgraded(RoomPush, frozen=True, tag=106):
    """Who was the guest `former` is `person` from now on, in the same place.

    A change of presence like `presence.update`: it has its `rev`. Where `person` was here
    besides, the two places are one now. What `former` wrote stays under `former`. Over
    500 people nobody is named, and `presence.update` tells the count.
    """

    activation: str
    rev: Count
    count: Count
    former: Principal
    person: Person
