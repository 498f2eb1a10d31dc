"""The product's actors, by the kind of their address."""

from commonroom.actors.room.actor import RoomActor
from commonroom.engine.actor import Actor

__all__ = ["KINDS"]

KINDS: dict[str, type[Actor]] = {RoomActor.kind: RoomActor}
