"""Status: how a user can be reached (FEATURES P20). Not presence, which is who is in a room."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from commonroom.protocol.wire import Command, Millis, RoomId, ServerMessage

__all__ = ["Status", "StatusSet", "StatusUpdate", "StatusWatch", "UserId", "UserStatus"]

Status = Literal["offline", "online", "idle", "dnd", "busy"]

UserId = Annotated[str, Meta(min_length=1, max_length=64)]


class StatusSet(Command, frozen=True, tag=37):
    """Choose a status, and say whether anybody is at this device.

    `status` "dnd" stays until "online" is chosen; "" leaves the choice as it was.
    `idle` is this device's: nobody has touched it for 5 minutes.
    """

    status: Literal["online", "dnd", ""] = ""
    idle: bool = False


class StatusWatch(Command, frozen=True, tag=38):
    """Be told of these users, in place of those watched before; none: of no more."""

    users: Annotated[list[UserId], Meta(max_length=200)] = []


class UserStatus(Struct, frozen=True, array_like=True, gc=False):
    """A user's status as the reader may know it.

    `last_seen` is to the minute, None where it is not told. `room` is where they are, if that is told.
    """

    user: UserId
    status: Status
    last_seen: Millis | None = None
    room: RoomId | None = None


class StatusUpdate(ServerMessage, frozen=True, tag=116):
    """What changed among the users watched; at most one a second, the latest of each."""

    users: list[UserStatus]
