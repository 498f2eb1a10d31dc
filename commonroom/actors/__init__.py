"""The product's actors, by the kind of their address, and what events of one cause in others."""

from commonroom.actors.room.actor import RoomActor
from commonroom.engine.actor import Actor
from commonroom.engine.outbox import Effects

__all__ = ["KINDS", "OUTBOXES"]

KINDS: dict[str, type[Actor]] = {RoomActor.kind: RoomActor}

OUTBOXES: tuple[Effects, ...] = ()
"""Each follows the journal by a checkpoint of its own."""
