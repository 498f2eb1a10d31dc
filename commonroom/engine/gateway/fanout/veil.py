"""What one reader sees of a room, without the people who are hidden from it (a block hides both from each other).

What a push says without them is the push's own affair (`RoomPush.without`). What goes beyond one push is kept here:
who of the others is in the room, so that counts are of those who are seen, and a count of the changes that were told.
The room's own numbers would tell of changes that were not; whatever the reader gets follows from what it sees.

A snapshot of an activation begins the count of changes at the number of people seen, a number as good as any. Another
one of the same activation does not move it: the reader may have asked for it, and nothing else happened. Where changes
were lost on the way the room sends a snapshot unasked, so that a gap in its `rev` need not be passed on.
"""

from msgspec.structs import replace

from commonroom.identity import Principal
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate, PrincipalUpgraded
from commonroom.protocol.room import Joined
from commonroom.protocol.wire import RoomPush, ServerMessage

__all__ = ["Veil"]


class Veil:
    """Between a room and one subscription. Every push and snapshot goes through it, in the order in which they are written.

    Args:
        hidden: whom the reader does not see, whatever they are called: as users and as the guests they were.
    """

    __slots__ = ("_activation", "_people", "_rev", "_told", "hidden")

    def __init__(self, hidden: frozenset[Principal]) -> None:
        self.hidden = hidden
        self._activation = ""  # of the last snapshot; empty: there was none
        self._rev = 0  # the room's, up to which changes have come by
        self._told = 0  # the reader's
        self._people: set[Principal] | None = None  # None: nobody is named, and all count

    def snapshot(self, message: ServerMessage) -> ServerMessage:
        """The answer to a join, or to the question for a fresh snapshot."""
        if isinstance(message, Joined):
            return replace(message.without(self.hidden), presence=self._begin(message.presence))
        return message if not isinstance(message, PresenceReset) else replace(message, presence=self._begin(message.presence))

    def seen(self, push: ServerMessage) -> ServerMessage | None:
        """A push as the reader sees it: itself where nothing has to be hidden, None where it is not sent."""
        if isinstance(push, PresenceUpdate | PrincipalUpgraded):
            return self._change(push)
        if isinstance(push, PresenceReset):
            return self.snapshot(push)
        return push.without(self.hidden) if isinstance(push, RoomPush) else push

    def _begin(self, presence: PresenceSnapshot) -> PresenceSnapshot:
        seen = presence.without(self.hidden)
        is_list = len(presence.people) == presence.count
        self._people = {person.principal for person in seen.people} if is_list else None
        if presence.activation != self._activation:
            self._activation, self._told = presence.activation, seen.count
        self._rev = presence.rev
        return replace(seen, rev=self._told)

    def _change(self, push: PresenceUpdate | PrincipalUpgraded) -> RoomPush | None:
        """None also for what a snapshot has told, and for what is of no snapshot here: one is on its way."""
        if push.activation != self._activation or push.rev <= self._rev:
            return None
        self._rev = push.rev
        seen = push.without(self.hidden)
        if not isinstance(seen, PresenceUpdate | PrincipalUpgraded):
            return None
        self._told += 1
        return replace(seen, rev=self._told, count=self._count(seen))

    def _count(self, change: PresenceUpdate | PrincipalUpgraded) -> int:
        """How many the reader sees after it."""
        if self._people is None:
            return change.count
        if isinstance(change, PrincipalUpgraded):
            self._people.discard(change.former)
            self._people.add(change.person.principal)
        else:
            self._people.update(person.principal for person in change.joined)
            self._people.difference_update(change.left)
        return len(self._people)
