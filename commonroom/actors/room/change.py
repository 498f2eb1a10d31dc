"""How fast a room is changed for good by what is no message: its timer, settings, invites, order (FEATURES P10).

Messages have a count of their own (`chat`), codes of invites have limits by session and address, and leaving for good follows these.
"""

from commonroom.actors.room.feature import Feature
from commonroom.actors.room.flood import CHANGING, Flood
from commonroom.actors.room.permit import permit
from commonroom.errors import Conflict, Forbidden, SignInNeeded
from commonroom.identity import Authority
from commonroom.protocol.wire import Command

__all__ = ["Changing"]


class Changing(Feature):
    """A feature whose commands are stored. All such features of a room count together."""

    __slots__ = ()

    def wait_ms(self, authority: Authority, command: Command, now: int, scale: float) -> int:
        """Never waits. Host and co-hosts count for themselves alone: else a crowd could keep them from putting an end to it."""
        room = self.room
        try:
            permit(room, authority, type(command))
        except (Conflict, Forbidden, SignInNeeded):
            return 0  # refused when it is handled, and nothing is stored
        if room.changes is None:
            room.changes = Flood(scale, CHANGING)
        person = room.roster.now(authority.principal).actor_id
        return room.changes.wait_ms(person, authority.guests, now, is_of_room=room.role(authority) == "participant")
