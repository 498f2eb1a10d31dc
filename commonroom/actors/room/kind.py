"""Which features a kind of room has, in the order in which they are asked."""

from commonroom.actors.room.chat import Chat
from commonroom.actors.room.feature import Feature
from commonroom.actors.room.presence import Presence
from commonroom.actors.room.timer import SharedTimer
from commonroom.actors.room.typing import TypingIndicator
from commonroom.protocol.room import RoomKind

__all__ = ["FEATURES"]

FEATURES: dict[RoomKind, tuple[type[Feature], ...]] = {
    "study": (Chat, SharedTimer, Presence, TypingIndicator),
}
