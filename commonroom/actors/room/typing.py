"""Typing: who is writing just now. Volatile, expires by itself."""

from typing import Any

from commonroom.actors.room.feature import Feature, Room
from commonroom.actors.room.roster import Member
from commonroom.engine.actor import Context, Wake
from commonroom.errors import NotJoined
from commonroom.identity import Principal
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.typing import Typing, TypingStart, TypingStop
from commonroom.protocol.wire import Command

__all__ = ["EXPIRY_MS", "TypingIndicator"]

EXPIRY_MS = 8_000


class TypingIndicator(Feature):
    """The feature `typing`. A repeated start only moves the expiry."""

    __slots__ = ("_expiries",)

    name = "typing"
    commands = (TypingStart, TypingStop)
    observes = (MessageSend,)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._expiries: dict[Principal, int] = {}

    def receive(self, ctx: Context, command: Command) -> None:
        principal = self.room.roster.now(ctx.authority.principal)
        if type(command) is TypingStop:
            self._stop(ctx, principal)
            return
        if principal not in self.room.roster:
            raise NotJoined("join the room before typing in it")
        started = principal not in self._expiries
        self._expiries[principal] = ctx.now + EXPIRY_MS
        if started:
            if len(self._expiries) == 1:
                ctx.schedule(ctx.now + EXPIRY_MS, Wake(self.name, 0))
            self._tell(ctx, principal, active=True)

    def observed(self, ctx: Context, command: Command) -> None:
        self._stop(ctx, self.room.roster.now(ctx.authority.principal))

    def departed(self, ctx: Context, member: Member) -> None:
        self._stop(ctx, member.person.principal)

    def upgraded(self, ctx: Context, former: Principal, member: Member) -> None:
        if (expiry := self._expiries.get(former)) is None:
            return
        self._stop(ctx, former)
        if member.principal not in self._expiries:
            self._tell(ctx, member.principal, active=True)
        self._expiries[member.principal] = max(expiry, self._expiries.get(member.principal, 0))

    def wake(self, ctx: Context, wake: Wake) -> None:
        for principal in [who for who, at in self._expiries.items() if at <= ctx.now]:
            self._stop(ctx, principal)
        if self._expiries:
            ctx.schedule(min(self._expiries.values()), Wake(self.name, 0))

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        return {"typing": list(self._expiries)}

    def _stop(self, ctx: Context, principal: Principal) -> None:
        if self._expiries.pop(principal, None) is not None:
            self._tell(ctx, principal, active=False)

    def _tell(self, ctx: Context, principal: Principal, *, active: bool) -> None:
        ctx.publish(Typing(self.room.id, principal, active), conflate=f"typing:{principal.actor_id}")
