"""Fan-out: a few publishers, everybody in the room hears them."""

from itertools import cycle
from typing import Annotated, Any

from msgspec import Meta, Struct

from commonroom.bench.load.pacing import pace
from commonroom.bench.load.payload import MIN_BYTES
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.scenario import Scenario, until

__all__ = ["Fanout", "Speaking", "speaking_rows"]

DRAIN_S = 15.0


class Parameters(Struct):
    """Options."""

    sockets: Annotated[int, Meta(ge=1, description="sockets in all")] = 200
    rooms: Annotated[int, Meta(ge=1, description="rooms they are spread over")] = 1
    publishers: Annotated[int, Meta(ge=1, description="publishers in each room")] = 20
    size_bytes: Annotated[int, Meta(ge=MIN_BYTES, le=1024, description="length of a message")] = 128
    durable: Annotated[bool, Meta(description="messages that are kept instead of volatile ones")] = False
    rate_per_s: Annotated[float, Meta(ge=0, description="messages a second in all; 0: each publisher waits for its last one")] = 0.0


class Speaking(Scenario[Any]):
    """A scenario whose publishers speak in rooms, in an open or a closed loop."""

    def __init__(self, load: Any, parameters: Any) -> None:
        super().__init__(load, parameters)
        self.publishers: list[Publisher] = []

    async def drive(self) -> None:
        for publisher in self.publishers:
            publisher.start()
        rate_per_s: float = self.parameters.rate_per_s / self.load.shares
        if rate_per_s and self.publishers:
            turns = cycle(self.publishers)
            await pace(rate_per_s, lambda intended_us: next(turns).offer(intended_us), self.load.stopping)
        await self.load.stopping.wait()
        for publisher in self.publishers:
            publisher.stop()
        await until(lambda: all(publisher.is_done for publisher in self.publishers), DRAIN_S)

    @classmethod
    def rows(cls, result: Result, parameters: Any) -> list[Row]:
        return speaking_rows(result)


def speaking_rows(result: Result) -> list[Row]:
    """What all of them are about."""
    tally = result.tally
    return [
        Row("deliveries per server-CPU-second", result.per_cpu_s(tally.delivered)),
        Row("commands per server-CPU-second", result.per_cpu_s(tally.sent)),
        Row("deliveries per second", tally.delivered / result.seconds),
        Row("commands per second", tally.sent / result.seconds),
        Row("messages a read", tally.delivered / max(tally.reads, 1)),
        Row("delivery p99", ms(tally.time("delivery"), 0.99), "ms"),
    ]


class Fanout(Speaking):
    """A few publishers, everybody in the room hears them; volatile, or durable."""

    name = "fanout"
    parameter_type = Parameters

    @classmethod
    def keeps(cls, parameters: Parameters) -> bool:
        return parameters.durable

    async def prepare(self) -> None:
        wanted, rooms = self.parameters, self.load.shared["rooms"]
        for number in self.load.mine(wanted.sockets):
            room, place = rooms[number % len(rooms)], number // len(rooms)
            member = self.load.member(room, number, durable=wanted.durable)
            self.members.append(member)
            if place < wanted.publishers:
                awaits = wanted.durable or not wanted.rate_per_s
                tally = self.load.site.tally
                self.publishers.append(Publisher(member, tally, wanted.size_bytes, closed_loop=not wanted.rate_per_s, awaits=awaits))
        await self.load.enter(self.members)
