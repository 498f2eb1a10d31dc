"""Typing: who is writing just now. Volatile, expires by itself."""

from typing import Any

from commonroom.actors.room.feature import Feature, Room, alone
from commonroom.actors.room.load import QUIET
from commonroom.actors.room.roster import Member
from commonroom.engine.actor import Audience, Context, Wake
from commonroom.errors import NotJoined
from commonroom.identity import Principal
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.typing import Typing, TypingStart, TypingStop
from commonroom.protocol.wire import Command

__all__ = ["EXPIRY_MS", "TypingIndicator"]

EXPIRY_MS = 8_000


class TypingIndicator(Feature):
    """The feature `typing`. A repeated start only moves the expiry. Who is under a shadow types for themselves alone."""

    __slots__ = ("_audiences", "_expiries")

    name = "typing"
    commands = (TypingStart, TypingStop)
    observes = (MessageSend,)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._expiries: dict[Principal, int] = {}
        self._audiences: dict[Principal, Audience] = {}  # of those that not everybody sees typing

    def receive(self, ctx: Context, command: Command) -> None:
        authority = ctx.authority
        principal = self.room.roster.now(authority.principal)
        if type(command) is TypingStop:
            self._stop(ctx, principal)
            return
        if principal not in self.room.roster:
            raise NotJoined("join the room before typing in it")
        if self.room.load.level >= QUIET and principal not in self._expiries:
            self.room.load.pushes += 2  # its start and its end
            return
        if authority.sanction and authority.stands(ctx.now) == "shadow" and principal not in self._audiences:
            self._stop(ctx, principal)
            self._audiences[principal] = alone(authority)
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
        audience = self._audiences.get(former)
        self._stop(ctx, former)
        if member.principal not in self._expiries:
            if audience is not None:
                self._audiences[member.principal] = audience
            self._tell(ctx, member.principal, active=True)
        self._expiries[member.principal] = max(expiry, self._expiries.get(member.principal, 0))

    def wake(self, ctx: Context, wake: Wake) -> None:
        for principal in [who for who, at in self._expiries.items() if at <= ctx.now]:
            self._stop(ctx, principal)
        if self._expiries:
            ctx.schedule(min(self._expiries.values()), Wake(self.name, 0))

    def snapshot(self, ctx: Context) -> dict[str, Any]:
        return {"typing": [who for who in self._expiries if who not in self._audiences or ctx.authority.owns(who)]}

    def _stop(self, ctx: Context, principal: Principal) -> None:
        if self._expiries.pop(principal, None) is not None:
            self._tell(ctx, principal, active=False)
            self._audiences.pop(principal, None)

    def _tell(self, ctx: Context, principal: Principal, *, active: bool) -> None:
        push = Typing(self.room.id, principal, active)
        self.room.publish(ctx, push, conflate=f"typing:{principal.actor_id}", audience=self._audiences.get(principal))
