"""Who comes into a room, and who stays in it.

Asked of every command, join, announcement and read: a token bound to another room, a ban, a private room, an archived
one. Asked of a join alone: a lock and the room's size, which concern whoever is new. Somebody whose connection broke is
not: for `RETURN_MS` a locked room remembers who left it. An activation that is younger than that has seen nobody leave:
it takes whoever was here when the room was locked for one of those. Whoever belongs to the room, its host, co-hosts and members,
passes a lock; host and co-hosts also come into a full room.
"""

from collections.abc import Iterable
from typing import Final

from commonroom.actors.room.feature import Room
from commonroom.actors.room.roster import Member
from commonroom.clock import until_text
from commonroom.errors import CommonroomError, Forbidden, Hidden, NotFound, RoomBanned, RoomFull, RoomLocked
from commonroom.identity import Authority, Principal

__all__ = ["MAX_LEFT", "RETURN_MS", "Porter", "hidden"]

RETURN_MS: Final = 120_000

MAX_LEFT: Final = 1000
"""Who left a locked room, the latest. Gone with the activation."""


class Porter:
    """Of one room."""

    __slots__ = ("_left", "_room")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._left: dict[Principal, int] = {}

    def refusal(self, authority: Authority, now: int, *, is_invited: bool = False) -> CommonroomError | None:
        """Why somebody may not be here, None: they may. The room exists.

        Hidden where it must look as if the room did not exist, else Forbidden, RoomBanned or NotFound.
        A ban of a host or co-host has taken the role away; one that has not was of a name of theirs that nobody knew for theirs.

        Args:
            is_invited: they say so, and whoever asks is going to see to it.
        """
        room = self._room
        info = room.info or room.known
        granted = bool(authority.grants) and any(grant.room == room.id for grant in authority.grants)
        is_private = info.visibility == "private"
        if authority.bound and not granted:
            return hidden(room) if is_private else Forbidden("this token admits to another room")
        ban = room.bans.find(room.names(authority), now) if room.bans else None
        if ban is not None and room.role(authority) == "participant":
            wait_ms = None if ban.until is None else ban.until - now
            return RoomBanned(f"you are banned from this room{until_text(ban.until)}", retry_after_ms=wait_ms)
        if is_private and not (granted or is_invited or room.is_insider(authority)):
            return hidden(room)
        if info.archived_at is not None and not (is_invited or room.is_insider(authority) or self._is_here(authority)):
            return NotFound("this room is archived")
        return None

    def check_new(self, authority: Authority, now: int, activated_at: int) -> None:
        """Raises RoomLocked or RoomFull: whoever joins is new here, and the room takes nobody new. Moments in cluster ms."""
        room, info = self._room, self._room.known
        if not (info.locked or info.size_limit) or self._is_here(authority):
            return
        if info.locked and not (room.is_insider(authority) or self._may_return(authority, now, activated_at)):
            raise RoomLocked("this room is locked: nobody new comes in")
        if 0 < info.size_limit <= len(room.roster) and room.role(authority) == "participant":
            raise RoomFull(f"this room takes {info.size_limit} people at once, and they are here")

    def left(self, member: Member, now: int) -> None:
        """Somebody's last session is gone, and not because they were asked to leave."""
        if not self._room.known.locked:
            return
        self._left.pop(member.principal, None)
        self._left[member.principal] = now
        if len(self._left) > MAX_LEFT:
            del self._left[next(iter(self._left))]

    def forget(self, names: Iterable[Principal]) -> None:
        """They are here again, or were asked to leave."""
        if self._left:
            for name in names:
                self._left.pop(name, None)

    def _is_here(self, authority: Authority) -> bool:
        roster = self._room.roster
        return any(name in roster for name in self._room.names(authority))

    def _may_return(self, authority: Authority, now: int, activated_at: int) -> bool:
        names = self._room.names(authority)
        if now < activated_at + RETURN_MS and any(name in self._room.inside for name in names):
            return True
        return any(now - self._left.get(name, now - RETURN_MS) < RETURN_MS for name in names)


def hidden(room: Room) -> Hidden:
    """What looks as if there were no such room."""
    return Hidden(f"no room {room.id[:40]!r}")
