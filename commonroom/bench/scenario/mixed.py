"""Mixed: what a server really does all day, in rooms of many sizes."""

from functools import partial
from itertools import cycle
from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.pacing import pace
from commonroom.bench.load.person import Person
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.fanout import speaking_rows
from commonroom.bench.scenario.scenario import Scenario, until
from commonroom.clock import monotonic_us
from commonroom.protocol.room import Joined, RoomJoin, RoomLeave
from commonroom.protocol.timer import TimerReset, TimerStart
from commonroom.protocol.typing import TypingStart
from commonroom.protocol.wire import ServerMessage

__all__ = ["Mixed", "Soak"]

SMALLEST, LARGEST = 5, 50
DRAIN_S = 15.0


class Parameters(Struct):
    """Options."""

    rooms: Annotated[int, Meta(ge=1, description="rooms of 5 to 50 people")] = 20
    messages_per_s: Annotated[float, Meta(gt=0, description="chat messages a second in all")] = 200.0
    typing_per_s: Annotated[float, Meta(gt=0, description="typing indications a second in all")] = 200.0
    timers_per_s: Annotated[float, Meta(gt=0, description="timer commands a second in all")] = 10.0
    moves_per_s: Annotated[float, Meta(gt=0, description="arrivals and departures a second in all")] = 50.0
    size_bytes: Annotated[int, Meta(ge=48, le=4000, description="length of a message")] = 128


class Mixed(Scenario[Parameters]):
    """Rooms of 5 to 50 people: chat, typing, timers, arrivals and departures, all at once and at fixed rates."""

    name = "mixed"
    parameter_type = Parameters

    async def prepare(self) -> None:
        """Sizes follow from the room's number, so that all workers agree; one in ten people comes and goes."""
        load, rooms = self.load, self.load.shared["rooms"]
        sizes = [SMALLEST + (LARGEST - SMALLEST) * place // max(len(rooms) - 1, 1) for place in range(len(rooms))]
        places = [room for room, size in zip(rooms, sizes, strict=True) for _ in range(size)]
        self._away: set[Person] = set()
        self._joining: dict[Person, int] = {}
        people = [load.person(places[number], number, durable=True, strict=bool(number % 10)) for number in load.mine(len(places))]
        self.movers = [person for person in people if not person.number % 10]
        self.stayers = [person for person in people if person.number % 10]
        for mover in self.movers:
            mover.on_message = partial(self._moved, mover)
        self.members = [*self.stayers]
        self.publishers = [Publisher(person, load.site.tally, self.parameters.size_bytes, closed_loop=False) for person in self.stayers]
        await load.enter(people)

    async def drive(self) -> None:
        load, wanted = self.load, self.parameters
        for publisher in self.publishers:
            publisher.start()
        speakers, typists, movers = cycle(self.publishers), cycle(self.stayers), cycle(self.movers)
        for name, per_s, act in (
            ("typing", wanted.typing_per_s, lambda _us: self._type(next(typists))),
            ("timers", wanted.timers_per_s, lambda _us: self._time(load.random.choice(self.stayers))),
            ("moves", wanted.moves_per_s, lambda us: self._move(next(movers), us)),
        ):
            load.tasks.start(name, pace(per_s / load.shares, act, load.stopping))
        await pace(wanted.messages_per_s / load.shares, lambda us: next(speakers).offer(us), load.stopping)
        for publisher in self.publishers:
            publisher.stop()
        await until(lambda: all(publisher.is_done for publisher in self.publishers), DRAIN_S)

    def close(self) -> None:
        for person in (*self.stayers, *self.movers):
            person.leave()

    def _type(self, person: Person) -> None:
        person.command(TypingStart(0, person.room))
        self.load.site.tally.count("typing indications")

    def _time(self, person: Person) -> None:
        """Starting a running timer is refused and costs what a refusal costs."""
        kind = TimerReset if self.load.random.random() < 0.5 else TimerStart
        person.command(kind(0, person.room, f"{kind.__name__}-{self.load.random.getrandbits(64):x}"))
        self.load.site.tally.count("timer commands")

    def _move(self, person: Person, intended_us: int) -> None:
        self.load.site.tally.count("moves")
        if person in self._away:
            person.command(RoomJoin(0, person.room))
            self._joining[person] = intended_us
            self._away.discard(person)
        elif person not in self._joining:
            person.command(RoomLeave(0, person.room))
            self._away.add(person)

    def _moved(self, person: Person, message: ServerMessage) -> None:
        if isinstance(message, Joined) and person in self._joining:
            self.load.site.tally.time("join").record(monotonic_us() - self._joining.pop(person))

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        tally = result.tally
        joins = tally.time("join")
        return [
            Row("ack p99", ms(tally.time("answer"), 0.99), "ms"),
            Row("join p95", ms(joins, 0.95), "ms"),
            Row("server CPU", 100 * (result.server.cpu_s or 0) / result.seconds, "% of a core"),
            *speaking_rows(result),
        ]


class Soak(Mixed):
    """The mixed work for a long time: memory must not grow with what has passed."""

    name = "soak"

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        """The server's memory at the gate and at the end; what grows for ever shows against the number of messages."""
        server = result.server
        grown = None if server.rss_after_bytes is None else server.rss_after_bytes - (server.rss_before_bytes or 0)
        return [
            Row("RSS grown a message", "unknown" if grown is None else grown / max(result.tally.sent, 1), "bytes"),
            *super().rows(result, parameters),
        ]
