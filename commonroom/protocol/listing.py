"""The list of rooms, live: what changed about those that a page shows (FEATURES P18)."""

from typing import Annotated

from msgspec import Meta, Struct

from commonroom.protocol.timer import Phase
from commonroom.protocol.wire import Command, Count, Millis, RoomId, ServerMessage

__all__ = ["ListedRoom", "ListingUpdate", "ListingWatch", "RoomSummary"]


class ListingWatch(Command, frozen=True, tag=36):
    """Be told of these rooms of the list, in place of those watched before; none: of no more.

    Each is told once soon, then when it changes. Whatever is not in the list, for whatever
    reason, reads as ended.
    """

    rooms: Annotated[list[RoomId], Meta(max_length=100)] = []


class ListedRoom(Struct, frozen=True, array_like=True, gc=False):
    """A room of the list. `phase` and `ends_at` are those of a running timer, else None.

    `ended`: it is in the list no more.
    """

    room: RoomId
    present: Count
    phase: Phase | None = None
    ends_at: Millis | None = None
    ended: bool = False


class ListingUpdate(ServerMessage, frozen=True, tag=115):
    """What changed among the rooms watched; at most one a second, the latest state of each."""

    rooms: list[ListedRoom]


class RoomSummary(Struct, frozen=True):
    """What the list shows of how a room is now; not a wire message.

    `phase` and `ends_at` are those of a running timer, else None. `active_at`: the last
    durable event, to the minute.
    """

    present: Count
    phase: Phase | None
    ends_at: Millis | None
    active_at: Millis
