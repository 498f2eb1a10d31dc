"""A diary that also knows who is here: the smallest actor that a cluster can get wrong."""

from commonroom.actors.room.roster import Roster
from commonroom.engine.actor import Context
from commonroom.engine.address import Address
from commonroom.identity import Authority, Principal
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.roster import Person
from commonroom.protocol.wire import Command
from tests.engine.diary import Diary

__all__ = ["Hall", "SlowHall"]


class Hall(Diary):
    """`sessions` are those that joined or were announced, and did not leave; `roster` are the people they are."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.sessions: set[str] = set()
        self.roster = Roster()

    def receive(self, ctx: Context, command: Command) -> None:
        if isinstance(command, RoomJoin):
            self.attach(ctx)
        super().receive(ctx, command)

    def attach(self, ctx: Context) -> None:
        if ctx.session is None:
            return
        authority = ctx.authority
        guests = [Principal("guest", guest) for guest in authority.guests]
        person = Person(authority.principal, authority.name, "participant")
        for guest in guests:
            self.roster.upgrade(guest, person)
        self.roster.attach(ctx.session, person, ctx.now)
        if guests:
            self.roster.remember(person.principal, guests)
        self.sessions.add(ctx.session)

    def detach(self, ctx: Context) -> None:
        if ctx.session is not None:
            self.roster.detach(ctx.session)
            self.sessions.discard(ctx.session)


class SlowHall(Hall):
    """One that has many lines wait for up to 2 s, as if they came too fast."""

    def wait_ms(self, authority: Authority, command: Command, now: int, scale: float) -> int:
        return now * 7919 % 2000 if now % 3 else 0
