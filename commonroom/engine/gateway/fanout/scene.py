"""What of a room the status of its people depends on: whether everybody may know of it, and what its timer does."""

from typing import Final, NamedTuple, Self

from commonroom.protocol.room import Joined, RoomCreated, RoomInfo, RoomUpdated
from commonroom.protocol.timer import Timer, TimerUpdate
from commonroom.protocol.user import Activity
from commonroom.protocol.wire import ServerMessage

__all__ = ["TELLING", "Scene"]

TELLING: Final[frozenset[type]] = frozenset({TimerUpdate, RoomUpdated, RoomCreated})
"""What changes it."""


class Scene(NamedTuple):
    """A room as its last events left it. Nothing is public before that is known."""

    is_public: bool = False
    activity: Activity = ""

    def after(self, message: ServerMessage) -> Self:
        """As it is once that was told."""
        if isinstance(message, TimerUpdate):
            return self._replace(activity=_activity(message.timer))
        if isinstance(message, RoomUpdated | RoomCreated):
            return self._replace(is_public=_is_public(message.info))
        if isinstance(message, Joined):
            return self._replace(is_public=_is_public(message.info), activity=_activity(message.timer))
        return self


def _is_public(info: RoomInfo) -> bool:
    return info.visibility == "public" and info.archived_at is None


def _activity(timer: Timer | None) -> Activity:
    if timer is None or timer.status != "running":
        return ""
    return "focus" if timer.phase == "focus" else "active"
