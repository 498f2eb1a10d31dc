"""The product's actors, by the kind of their address, and what events of one cause in others."""

from collections.abc import Callable, Mapping
from functools import partial
from math import inf

from commonroom.actors.room.actor import RoomActor
from commonroom.actors.user.actor import UserActor
from commonroom.engine.actor import Actor
from commonroom.engine.address import Address
from commonroom.engine.outbox import Effects
from commonroom.moderation import Filter

__all__ = ["KINDS", "OUTBOXES", "kinds"]

KINDS: dict[str, type[Actor]] = {RoomActor.kind: RoomActor, UserActor.kind: UserActor}
"""By themselves."""

OUTBOXES: tuple[Effects, ...] = ()
"""Each follows the journal by a checkpoint of its own."""


def kinds(texts: Filter, deliveries_per_s: float = inf, room_idle_ms: int = 0) -> Mapping[str, Callable[[Address], Actor]]:
    """With what they are given by a node.

    Args:
        texts: what becomes of unwanted words.
        deliveries_per_s: a room's fan-out budget, see `actors/room/load.py`.
        room_idle_ms: how long a room stays without events before it archives itself; 0: for ever.
    """
    room = partial(RoomActor, texts=texts, deliveries_per_s=deliveries_per_s, idle_ms=room_idle_ms)
    return {**KINDS, RoomActor.kind: room}
