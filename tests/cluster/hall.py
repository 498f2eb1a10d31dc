"""A diary that also knows who is here: the smallest actor that a cluster can get wrong."""

from commonroom.engine.actor import Context
from commonroom.engine.address import Address
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.wire import Command
from tests.engine.diary import Diary

__all__ = ["Hall"]


class Hall(Diary):
    """`sessions` are those that joined or were announced, and did not leave."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.sessions: set[str] = set()

    def receive(self, ctx: Context, command: Command) -> None:
        if isinstance(command, RoomJoin) and ctx.session is not None:
            self.sessions.add(ctx.session)
        super().receive(ctx, command)

    def attach(self, ctx: Context) -> None:
        if ctx.session is not None:
            self.sessions.add(ctx.session)

    def detach(self, ctx: Context) -> None:
        if ctx.session is not None:
            self.sessions.discard(ctx.session)
