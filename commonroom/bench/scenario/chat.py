"""Chat: many small rooms, everybody writes, each message is acknowledged once it is kept."""

from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.payload import MIN_BYTES
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.fanout import Speaking, speaking_rows

__all__ = ["Chat"]


class Parameters(Struct):
    """Options."""

    rooms: Annotated[int, Meta(ge=1, description="rooms")] = 50
    members: Annotated[int, Meta(ge=1, description="people in each")] = 4
    size_bytes: Annotated[int, Meta(ge=MIN_BYTES, le=4000, description="length of a message")] = 128
    rate_per_s: Annotated[float, Meta(ge=0, description="messages a second in all; 0: each person waits for the last one's ack")] = 0.0


class Chat(Speaking):
    """Durable round trips: many small rooms, everybody writes and waits for the acknowledgement."""

    name = "chat"
    parameter_type = Parameters

    async def prepare(self) -> None:
        wanted, rooms = self.parameters, self.load.shared["rooms"]
        for number in self.load.mine(wanted.rooms * wanted.members):
            member = self.load.member(rooms[number % len(rooms)], number, durable=True)
            self.members.append(member)
            self.publishers.append(Publisher(member, self.load.site.tally, wanted.size_bytes, closed_loop=not wanted.rate_per_s))
        await self.load.enter(self.members)

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        return [
            Row("acks per server-CPU-second", result.per_cpu_s(result.tally.time("answer").count)),
            Row("acks per second", result.tally.time("answer").count / result.seconds),
            Row("ack p99", ms(result.tally.time("answer"), 0.99), "ms"),
            *speaking_rows(result),
        ]
