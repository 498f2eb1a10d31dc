"""Casts: small volatile messages of any meaning to everybody in a room (a cursor, a flying emoji)."""

from typing import Annotated, Self

from msgspec import Meta

from commonroom.identity import Principal
from commonroom.protocol.wire import Command, RoomId, RoomPush

__all__ = ["Cast", "CastSend"]

CastKey = Annotated[str, Meta(max_length=32)]
CastData = Annotated[str, Meta(max_length=1024)]


class CastSend(Command, frozen=True, tag=34):
    """Tell everybody in the room, the sender included; nothing is kept.

    A reader too slow for the room gets the newest cast of each person and `key` once it
    has caught up; casts with an empty key are lost to it. The room does not look at `data`.
    """

    room: RoomId
    key: CastKey
    data: CastData


class Cast(RoomPush, frozen=True, tag=113):
    """Somebody's cast. Not repeated for readers who were away."""

    person: Principal
    key: str
    data: str

    def without(self, hidden: frozenset[Principal]) -> Self | None:
        return None if self.person in hidden else self
