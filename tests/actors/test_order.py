"""Any order of what hosts do, by anybody, over restarts: the room stays one that could be, and the journal tells all of it."""

from random import Random
from typing import Any

import pytest

from commonroom.actors.room.actor import RoomActor
from commonroom.actors.room.moderation import MAX_COHOSTS
from commonroom.engine.private import unpack
from commonroom.errors import CommonroomError, InternalError, Unavailable
from commonroom.ids import seeded
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.codec import decode_event
from commonroom.protocol.moderation import ModerationCommand, RoomBan, RoomKick, RoomMute, RoomRole, RoomUnban, RoomUnmute
from commonroom.protocol.room import RoomArchive, RoomJoin, RoomUpdate
from commonroom.protocol.wire import Command
from tests.actors.stage import Device, Stage

STEPS = 150
MINUTE_MS = 60_000
ACTS: tuple[type[ModerationCommand], ...] = (RoomKick, RoomBan, RoomUnban, RoomMute, RoomUnmute, RoomRole)
COMMANDS: tuple[type[Command], ...] = (RoomJoin, RoomJoin, RoomJoin, RoomUpdate, RoomArchive, MessageSend, *ACTS)


class Order:
    """Six people in a room, who try everything."""

    def __init__(self, stage: Stage, random: Random) -> None:
        self.stage = stage
        self.random = random
        self.people = [stage.person(name) for name in ("Ada", "Bob", "Carol", "Dave", "Eve", "Finn")]
        self.room = stage.room(self.people[0])
        self.done = 0

    def step(self) -> None:
        match self.random.randrange(20):
            case 0:
                self.stage.restart()
            case 1:
                self.stage.advance(self.random.choice((1, 70, 700)))
            case 2:
                self.become_user()
            case 3 | 4:
                self.someone().leave(self.room)
                self.stage.settle()
            case _:
                self.attempt(self.someone())

    def someone(self) -> Device:
        return self.random.choice(self.people)

    def become_user(self) -> None:
        person = self.someone()
        if person.principal.actor_type == "guest":
            person.refresh(self.stage.user(person))
            self.stage.settle()
            person.answers.pop(0, None)

    def attempt(self, person: Device) -> None:
        command, fields = self.command()
        try:
            person.ask(command, self.room, **fields)
        except CommonroomError as error:
            assert not isinstance(error, InternalError | Unavailable), error
        else:
            self.done += 1

    def command(self) -> tuple[type[Command], dict[str, Any]]:
        random, nonce = self.random, self.someone().nonce()
        kind = random.choice(COMMANDS)
        if kind is RoomJoin:
            return kind, {}
        fields: dict[str, Any] = {"nonce": nonce}
        if kind in ACTS:
            fields["person"] = self.someone().principal
        if kind in {RoomBan, RoomMute}:
            fields["duration_ms"] = random.choice((None, MINUTE_MS, 10 * MINUTE_MS))
        elif kind is RoomRole:
            fields["role"] = random.choice(("host", "cohost", "participant"))
        elif kind is RoomUpdate:
            fields |= random.choice(({"locked": True}, {"locked": False}, {"size_limit": 3}, {"size_limit": 0}, {"slow_ms": 2000}))
        elif kind is RoomArchive:
            fields["archived"] = random.random() < 0.1
        elif kind is MessageSend:
            fields["text"] = "hello"
        return kind, fields

    def check(self) -> None:
        if self.stage.activation(self.room) is None:
            return
        actor, now = self.stage.actor(self.room), self.stage.now()
        room = actor.room
        assert room.host not in room.cohosts
        assert len(room.cohosts) <= MAX_COHOSTS
        for member in room.roster:
            names = (member.principal, *member.guests)
            assert member.person.role == room.role_of(names)
            assert room.bans.find(names, now) is None, "who is banned is not here"
        assert room.bans.find((room.host,), now) is None, "the host is not banned"

    def check_fold(self) -> None:
        """What lives is what the journal tells, and what its snapshot tells."""
        actor = self.stage.actor(self.room)
        told = RoomActor(actor.address)
        for event in self.stage.journal.streams[f"room/{self.room}"].events:
            told.apply(decode_event(event.payload), unpack(event.private).facts)
        assert told.dump() == actor.dump()
        again = RoomActor(actor.address)
        again.load(actor.dump())
        assert again.dump() == actor.dump()


@pytest.mark.parametrize("seed", range(20))
def test_P35_whatever_people_try_the_room_stays_in_order_and_the_journal_tells_it(seed: int) -> None:
    with Stage(seed) as stage:
        order = Order(stage, seeded(seed))
        for _ in range(STEPS):
            order.step()
            order.check()
        order.attempt(order.people[0])
        order.check_fold()
        assert order.done >= 5
