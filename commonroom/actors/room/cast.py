"""Casts: what one person sends goes to everybody present. Volatile, stateless."""

from commonroom.actors.room.feature import Feature, alone
from commonroom.actors.room.load import QUIET
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
        authority = ctx.authority
        principal = self.room.roster.now(authority.principal)
        if principal not in self.room.roster:
            raise NotJoined("join the room before casting in it")
        if self.room.load.level >= QUIET:
            self.room.load.pushes += 1
            return
        conflate = f"cast:{principal.actor_id}:{command.key}" if command.key else None
        audience = alone(authority) if authority.sanction and authority.stands(ctx.now) == "shadow" else None
        self.room.publish(ctx, Cast(self.room.id, principal, command.key, command.data), conflate=conflate, audience=audience)
