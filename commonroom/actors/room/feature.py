"""What a feature of a room is, and what features share.

A feature owns a part of the state and the commands, events and wakes it names. The
room calls it for those alone. Hooks follow the actor's contract (`engine/actor.py`):
`receive`, `wake`, `arrived` and `departed` emit effects, `apply` is the fold. Features
do not know each other; what one hears of another comes through `observes`.
"""

from typing import Any, ClassVar

from msgspec import Raw

from commonroom.actors.room.roster import Member, Roster
from commonroom.engine.actor import Context, Deadline, Wake
from commonroom.identity import Principal
from commonroom.protocol.room import RoomInfo
from commonroom.protocol.wire import Command, DurablePush, RoomPush

__all__ = ["Feature", "Room", "stamp"]


class Room:
    """What every feature of one room may look at. `head` is the offset of the last event folded."""

    __slots__ = ("head", "id", "info", "roster")

    def __init__(self, room_id: str) -> None:
        self.id = room_id
        self.info: RoomInfo | None = None
        self.head = 0
        self.roster = Roster()


class Feature:
    """One ability of a room. A hook that is not overridden does nothing."""

    __slots__ = ("room",)

    name: ClassVar[str]
    """Names its part of the snapshot and its wakes: it never changes."""
    commands: ClassVar[tuple[type[Command], ...]] = ()
    observes: ClassVar[tuple[type[Command], ...]] = ()
    """Commands of other features after which `observed` is called."""
    events: ClassVar[tuple[type[DurablePush], ...]] = ()

    def __init__(self, room: Room) -> None:
        self.room = room

    def receive(self, ctx: Context, command: Command) -> None:
        """Handle one of `commands`; the sender is admitted to the room."""

    def observed(self, ctx: Context, command: Command) -> None:
        """One of `observes` succeeded. It may have persisted: this must not raise."""

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        """Fold one of `events`. Pure."""

    def wake(self, ctx: Context, wake: Wake) -> None:
        """A deadline named after this feature."""

    def due(self) -> Deadline | None:
        """The durable deadline, if there is one, with a wake of this feature's name."""
        return None

    def needs(self, command: Command) -> int | None:
        """See `Actor.needs`."""
        return None

    def arrived(self, ctx: Context, member: Member) -> None:
        """A person's first session joined, or the person has a new name."""

    def upgraded(self, ctx: Context, former: Principal, member: Member) -> None:
        """The place of the guest `former` is `member`'s now, who may have been here besides."""

    def announced(self, ctx: Context) -> None:
        """A session that followed the room before this activation is known again."""

    def departed(self, ctx: Context, member: Member) -> None:
        """A person's last session is gone."""

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        """This feature's fields of `Joined`."""
        return {}

    def resync(self) -> RoomPush | None:
        """A fresh volatile snapshot for a reader that lost deltas."""
        return None

    def dump(self) -> Any:
        """The durable part of the state; None: there is none."""
        return None

    def load(self, part: Raw) -> None:
        """Take over what `dump` gave; not called where there was no such part."""


def stamp(ctx: Context, room: Room, nonce: str | None, author: Principal | None) -> dict[str, Any]:
    """The fields that every durable push begins with."""
    return {"room": room.id, "offset": ctx.next_offset, "at": ctx.now, "author": author, "nonce": nonce}
