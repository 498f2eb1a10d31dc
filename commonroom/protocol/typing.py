"""Typing indicators. Volatile; expire 8 s after the last start."""

from typing import Self

from commonroom.identity import Principal
from commonroom.protocol.wire import Command, RoomId, RoomPush

__all__ = ["Typing", "TypingStart", "TypingStop"]


class TypingStart(Command, frozen=True, tag=32):
    """Repeat at most every 4 s while typing goes on."""

    room: RoomId


class TypingStop(Command, frozen=True, tag=33):
    """Sending a message stops it as well."""

    room: RoomId


class Typing(RoomPush, frozen=True, tag=112):
    """Somebody started (`active`) or stopped typing."""

    person: Principal
    active: bool

    def without(self, hidden: frozenset[Principal]) -> Self | None:
        return None if self.person in hidden else self
