"""Join storm: everybody comes at once, as after a lecture's bell."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.person import Person
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.scenario import Scenario
from commonroom.clock import monotonic_us
from commonroom.tasks import pause

__all__ = ["JoinStorm"]

CONNECTS_AT_ONCE = 512


class Parameters(Struct):
    """Options."""

    sockets: Annotated[int, Meta(ge=1, description="sockets in all")] = 1000
    rooms: Annotated[int, Meta(ge=1, description="rooms they join")] = 10
    within_s: Annotated[float, Meta(ge=0, description="time over which they come; 0: all at the gate")] = 0.0


class JoinStorm(Scenario[Parameters]):
    """Everybody connects, says hello and joins at once, tokens at hand."""

    name = "join-storm"
    parameter_type = Parameters

    @classmethod
    def lasts(cls, parameters: Parameters) -> bool:
        return False

    async def prepare(self) -> None:
        rooms = self.load.shared["rooms"]
        self.people = [
            self.load.person(rooms[number % len(rooms)], number, strict=False) for number in self.load.mine(self.parameters.sockets)
        ]
        self.members = [*self.people]
        await self.load.each([person.arm for person in self.people])

    async def drive(self) -> None:
        began_us = monotonic_us()
        step_us = self.parameters.within_s * 1e6 / self.parameters.sockets
        steps = [self._coming(person, began_us + int(person.number * step_us)) for person in self.people]
        await self.load.each(steps, CONNECTS_AT_ONCE)

    def _coming(self, person: Person, intended_us: int) -> Callable[[], Awaitable[None]]:
        async def come() -> None:
            if self.load.stopping.is_set():
                return
            if (early_us := intended_us - monotonic_us()) > 0:
                await pause(early_us / 1e6)
            self.load.site.tally.sent += 1
            await person.connect()
            self.load.site.tally.answered += 1
            self.load.site.tally.time("join").record(monotonic_us() - intended_us)

        return come

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        joins = result.tally.time("join")
        return [
            Row("joins per server-CPU-second", result.per_cpu_s(joins.count)),
            Row("joins per second", joins.count / result.seconds),
            Row("join p95", ms(joins, 0.95), "ms"),
            Row("not let in", result.tally.sent - joins.count),
        ]
