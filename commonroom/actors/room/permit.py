"""What somebody may do whom the room lets in: by their role, and in an archived room nothing."""

from typing import Final

from commonroom.actors.room.feature import Room
from commonroom.errors import Conflict
from commonroom.identity import Authority
from commonroom.permissions import HOST, STAFF, TABLE, TIMER, Need, require
from commonroom.protocol.cast import CastSend
from commonroom.protocol.chat import MessageEdit, MessageRemove, MessageSend
from commonroom.protocol.invite import InviteAccept, RoomQuit
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.room import RoomArchive
from commonroom.protocol.typing import TypingStart
from commonroom.protocol.wire import Command

__all__ = ["SPEECH", "permit"]

SPEECH: Final[frozenset[type[Command]]] = frozenset({MessageSend, MessageEdit, CastSend, TypingStart})
"""What whoever is muted does not do."""

STILL: Final[frozenset[type[Command]]] = frozenset({RoomArchive, RoomQuit, MessageRemove, InviteAccept})
"""What is done in an archived room all the same; an invite is refused there as one that is over."""

WHY: Final[dict[Need, str]] = {
    HOST: "only the host does this",
    STAFF: "only the host and co-hosts do this",
    TIMER: "not everybody works the timer of this room",
}

GUARDED: Final[dict[type[Command], tuple[str, str]]] = {
    cls: (name, WHY[TABLE[name].user]) for name, cls in COMMANDS.items() if TABLE[name].user in WHY
}
"""Commands that need more than to be let in: their names, and what is said to whom they are refused."""


def permit(room: Room, authority: Authority, kind: type[Command]) -> None:
    """Refuse a command of this type. Raises Conflict, SignInNeeded, Forbidden."""
    if (room.info or room.known).archived_at is not None and kind not in STILL:
        raise Conflict("this room is archived")
    if (guarded := GUARDED.get(kind)) is not None:
        action, why = guarded
        require(action, authority, *room.holds(authority), why=why)
