"""Presence: people come and go while others look on."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from commonroom.bench.load.account import Accounts
from commonroom.bench.load.dialect import Decoded
from commonroom.bench.load.job import Sent
from commonroom.bench.load.pacing import pace
from commonroom.bench.load.person import Person
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.scenario import Load, Scenario, make_rooms, until
from commonroom.clock import monotonic_us
from commonroom.identity import Principal
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate
from commonroom.protocol.room import Joined, RoomJoin, RoomLeave
from commonroom.protocol.wire import ServerMessage

__all__ = ["Presence"]

PATIENCE_S = 10.0


class Parameters(Struct):
    """Options."""

    viewers: Annotated[int, Meta(ge=1, description="people who stay and look")] = 100
    flappers: Annotated[int, Meta(ge=1, description="people who come and go")] = 100
    rate_per_s: Annotated[float, Meta(gt=0, description="arrivals and departures a second in all")] = 500.0


class _Viewer(Person):
    """Keeps the roster as a client does: deltas by `rev`, snapshots whole; of a crowd only the count."""

    def __init__(self, load: Load, room: str, number: int) -> None:
        speech = Decoded(durable=False, names_room=load.steered)
        super().__init__(load.site, speech, StreamCheck(speech), room, number)
        self.people: set[Principal] = set()
        self.count = 0
        self.rev = 0
        self.pushed_us: list[int] = []
        self.jumps = 0
        self.on_message = self._heard

    def sees(self, number: int) -> bool:
        """Whether so many are here, as far as this one was told."""
        return self.count == number and len(self.people) in {0, number}

    def _heard(self, message: ServerMessage) -> None:
        match message:
            case Joined():
                self._take(message.presence)
            case PresenceReset():
                self.pushed_us.append(monotonic_us())
                self._take(message.presence)
            case PresenceUpdate() if message.rev > self.rev:
                self.pushed_us.append(monotonic_us())
                self.jumps += message.rev != self.rev + 1
                self.rev, self.count = message.rev, message.count
                self.people.difference_update(message.left)
                self.people.update(person.principal for person in message.joined)

    def _take(self, snapshot: PresenceSnapshot) -> None:
        self.rev, self.count = snapshot.rev, snapshot.count
        self.people = {person.principal for person in snapshot.people}


class Presence(Scenario[Parameters]):
    """People come and go while others look on: what a viewer is sent, and whether it is true in the end."""

    name = "presence"
    parameter_type = Parameters
    settle_s = 3.0

    @classmethod
    def keeps(cls, parameters: Parameters) -> bool:
        return False

    @classmethod
    async def setup(cls, accounts: Accounts, parameters: Parameters) -> dict[str, Any]:
        return {"rooms": await make_rooms(accounts, 1)}

    async def prepare(self) -> None:
        wanted, load, room = self.parameters, self.load, self.load.shared["rooms"][0]
        self.viewers = [_Viewer(load, room, number) for number in load.mine(wanted.viewers)]
        self.flappers = [_Viewer(load, "", wanted.viewers + number) for number in load.mine(wanted.flappers)]
        self.members = [*self.viewers, *self.flappers]
        await load.enter(self.members)
        await until(lambda: all(viewer.sees(wanted.viewers) for viewer in self.viewers), PATIENCE_S)
        for viewer in self.viewers:
            viewer.pushed_us.clear()

    async def drive(self) -> None:
        """Everybody comes and goes by turns; in the end all have gone."""
        room, here, turn = self.load.shared["rooms"][0], set[Person](), 0

        def act(_intended_us: int) -> None:
            nonlocal turn
            person = self.flappers[turn % len(self.flappers)]
            turn += 1
            self.load.site.tally.sent += 1
            if person in here:
                here.discard(person)
                person.command(RoomLeave(0, room))
            else:
                here.add(person)
                person.command(RoomJoin(0, room))

        await pace(self.parameters.rate_per_s / self.load.shares, act, self.load.stopping)
        for person in here:
            person.command(RoomLeave(0, room))
        self._quiet_us = monotonic_us()

    def sent(self) -> Sent:
        return {}

    async def settle(self, sent: Sent, patience_s: float) -> None:
        """The truth is that the viewers of all workers are left, and nobody else."""
        tally = self.load.site.tally
        await until(lambda: all(viewer.sees(self.parameters.viewers) for viewer in self.viewers), patience_s)
        tally.time("true after").record(monotonic_us() - self._quiet_us)
        tally.flaws.lost += sum(not viewer.sees(self.parameters.viewers) for viewer in self.viewers)
        for pushed_us in (viewer.pushed_us for viewer in self.viewers if viewer.pushed_us):
            tally.delivered += len(pushed_us)
            tally.count("pauses between pushes", len(pushed_us) - 1)
            tally.count("s of pauses", (pushed_us[-1] - pushed_us[0]) / 1e6)
        tally.count("jumps of rev", sum(viewer.jumps for viewer in self.viewers))

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        pauses, pauses_s = (result.tally.numbers.get(name, 0) for name in ("pauses between pushes", "s of pauses"))
        return [
            Row("presence pushes a viewer and second", pauses / pauses_s if pauses_s else 0),
            Row("changes a second", result.tally.sent / result.seconds),
            Row("true everywhere after", ms(result.tally.time("true after"), 1.0), "ms"),
            Row("CPU a change", 1e6 * (result.server.cpu_s or 0) / max(result.tally.sent, 1), "µs"),
        ]
