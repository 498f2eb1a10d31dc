"""Casts: what one person sends goes to everybody present. Volatile, stateless."""

from commonroom.actors.room.feature import Feature
from commonroom.engine.actor import Context
from commonroom.errors import NotJoined
from commonroom.protocol.cast import Cast, CastSend
from commonroom.protocol.wire import Command

__all__ = ["Casting"]


class Casting(Feature):
    """The feature `cast`."""

    __slots__ = ()

    name = "cast"
    commands = (CastSend,)

    def receive(self, ctx: Context, command: Command) -> None:
        if not isinstance(command, CastSend):
            return
        principal = self.room.roster.now(ctx.authority.principal)
        if principal not in self.room.roster:
            raise NotJoined("join the room before casting in it")
        conflate = f"cast:{principal.actor_id}:{command.key}" if command.key else None
        ctx.publish(Cast(self.room.id, principal, command.key, command.data), conflate=conflate)
