"""Who hosts a room that its host has left: whoever of the others ranks highest, once the host was away for `AWAY_MS`.

Whoever takes over is the co-host who has been here longest, else the user, else the guest; nobody who is muted, nor under
an admin's mute or shadow. The wake is volatile: another activation begins to count anew.
"""

from typing import Final

from commonroom.actors.room.feature import Feature, Room
from commonroom.actors.room.moderation import Cause, hand_over, may_host
from commonroom.actors.room.roster import Member
from commonroom.engine.actor import Context, Wake
from commonroom.identity import ActorType, Principal
from commonroom.protocol.moderation import RoomRole
from commonroom.protocol.room import RoomArchive
from commonroom.protocol.wire import Command

__all__ = ["AWAY_MS", "Succession"]

AWAY_MS: Final = 600_000

RANKS: Final[dict[ActorType, int]] = {"user": 1, "guest": 2}


class Succession(Feature):
    """The feature `succession`."""

    __slots__ = ("_is_waiting",)

    name = "succession"
    observes = (RoomRole, RoomArchive)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._is_waiting = False

    def arrived(self, ctx: Context, member: Member) -> None:
        self._look(ctx)

    def departed(self, ctx: Context, member: Member) -> None:
        self._look(ctx)

    def upgraded(self, ctx: Context, former: Principal, member: Member) -> None:
        self._look(ctx)

    def observed(self, ctx: Context, command: Command) -> None:
        self._look(ctx)

    def wake(self, ctx: Context, wake: Wake) -> None:
        self._is_waiting = False
        if self._is_without_host() and (heir := self._heir(ctx.now)) is not None:
            hand_over(ctx, self.room, (heir.principal, *heir.guests), Cause(None, None, "the host was away"))
        self._look(ctx)

    def _look(self, ctx: Context) -> None:
        """Begin to wait, or wait no longer. O(1)."""
        if self._is_without_host() is self._is_waiting:
            return
        self._is_waiting = not self._is_waiting
        if self._is_waiting:
            ctx.schedule(ctx.now + AWAY_MS, Wake(self.name, 0), stores=True)
        else:
            ctx.cancel(self.name)

    def _is_without_host(self) -> bool:
        """Whether people are here, and the host is not."""
        room = self.room
        return len(room.roster) > 0 and room.known.archived_at is None and room.roster.now(room.host) not in room.roster

    def _heir(self, now: int) -> Member | None:
        """None: nobody here may host the room. O(people)."""
        room = self.room
        return min((one for one in room.roster if self._may_follow(one, now)), key=self._rank, default=None)

    def _may_follow(self, member: Member, now: int) -> bool:
        room = self.room
        if member.sanctioned_until > now or not may_host(room, member.principal):
            return False
        return room.mutes.find((member.principal, *member.guests), now) is None

    def _rank(self, member: Member) -> tuple[int, int, str]:
        is_cohost = self.room.role_of((member.principal, *member.guests)) == "cohost"
        return (0 if is_cohost else RANKS[member.principal.actor_type]), member.since, member.principal.actor_id
