"""What gateways and a user's actor say to each other of the user's status (ADR 15); never to a client."""

from typing import Literal

from msgspec import Struct

from commonroom.protocol.status import Status, UserId
from commonroom.protocol.wire import Count, Millis, RoomId, ServerMessage

__all__ = ["Activity", "BusyWhen", "DeviceSaid", "UserPlace", "UserState"]

BusyWhen = Literal["active", "focus", "off"]
"""When somebody is busy by themselves: in a room whose timer runs, only in a focus phase, never."""

Activity = Literal["", "active", "focus"]
"""What goes on in a room: its timer does not run, runs, runs in a focus phase."""


class UserPlace(Struct, frozen=True, array_like=True, gc=False):
    """A room that a user is in. `is_public`: everybody may know of it."""

    room: RoomId
    is_public: bool = False
    activity: Activity = ""


class DeviceSaid(Struct, frozen=True, array_like=True, gc=False):
    """What a gateway tells a user's actor of one of their sessions, with the preferences it has read.

    `revision` counts the changes of those: of two sessions the later one's preferences count.
    """

    idle: bool
    places: list[UserPlace]
    dnd: bool = False
    busy: BusyWhen = "active"
    revision: Count = 0


class UserState(ServerMessage, frozen=True, tag=126):
    """What a user's actor tells the gateways whose sessions look at the user, and they show to whom it may be.

    `places` are empty while offline. `seen_at`: when the last session ended, to the minute; None: not known, or not offline.
    """

    user: UserId
    status: Status
    places: list[UserPlace] = []
    seen_at: Millis | None = None
