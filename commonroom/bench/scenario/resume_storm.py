"""Resume storm: all sockets break, messages are missed, everybody is back within seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.person import Person
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.scenario import Scenario, until
from commonroom.clock import monotonic_us
from commonroom.tasks import pause

__all__ = ["ResumeStorm"]

SIZE_BYTES = 128
PATIENCE_S = 30.0
CONNECTS_AT_ONCE = 512


class Parameters(Struct):
    """Options."""

    sockets: Annotated[int, Meta(ge=1, description="sockets in all")] = 2000
    rooms: Annotated[int, Meta(ge=1, description="rooms they are in")] = 40
    missed: Annotated[int, Meta(ge=0, description="messages each of them misses")] = 20
    within_s: Annotated[float, Meta(ge=0, description="time over which they come back")] = 5.0


class ResumeStorm(Scenario[Parameters]):
    """All sockets break at once, messages are missed, everybody resumes within seconds."""

    name = "resume-storm"
    parameter_type = Parameters
    settle_s = 2.0

    @classmethod
    def lasts(cls, parameters: Parameters) -> bool:
        return False

    async def prepare(self) -> None:
        """Everybody joins and is cut off; a host in each room, of the first worker, stays and writes what they miss."""
        wanted, rooms, load = self.parameters, self.load.shared["rooms"], self.load
        self.people = [load.person(rooms[number % len(rooms)], number) for number in load.mine(wanted.sockets)]
        self.hosts = [load.person(room, wanted.sockets + place, durable=True) for place, room in enumerate(rooms) if load.share == 0]
        self.members = [*self.people, *self.hosts]
        await load.enter(self.members)
        await load.each([person.arm for person in self.people])
        for person in self.people:
            person.leave()
        await until(lambda: not any(person.connected for person in self.people), PATIENCE_S)
        await asyncio.gather(*(self._write(host) for host in self.hosts))

    async def drive(self) -> None:
        """Come back; durations count from each one's intended moment."""
        began_us = monotonic_us()
        step_us = self.parameters.within_s * 1e6 / self.parameters.sockets
        steps = [self._returning(person, began_us + int(person.number * step_us)) for person in self.people]
        await self.load.each(steps, CONNECTS_AT_ONCE)
        await until(self._is_whole, PATIENCE_S)
        self.load.site.tally.time("all whole").record(monotonic_us() - began_us)

    def _is_whole(self) -> bool:
        return all(person.whole_us for person in self.people)

    async def _write(self, host: Person) -> None:
        for _ in range(self.parameters.missed):
            host.say(monotonic_us(), SIZE_BYTES)
            await until(host.is_answered, PATIENCE_S)

    def _returning(self, person: Person, intended_us: int) -> Callable[[], Awaitable[None]]:
        def look() -> None:
            if not person.whole_us and sum(person.state.last.values()) >= self.parameters.missed:
                person.whole_us = monotonic_us()
                self.load.site.tally.time("whole again").record(person.whole_us - intended_us)

        async def come() -> None:
            if (early_us := intended_us - monotonic_us()) > 0:
                await pause(early_us / 1e6)
            person.on_progress = look
            self.load.site.tally.sent += 1
            await person.connect()
            self.load.site.tally.answered += 1
            self.load.site.tally.time("resume").record(monotonic_us() - intended_us)

        return come

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        tally = result.tally
        whole = tally.time("whole again")
        statements = result.server.statements
        return [
            Row("whole again", whole.count, f"of {parameters.sockets}"),
            Row("all whole after", ms(tally.time("all whole"), 1.0) / 1000, "s"),
            Row("SQL statements a resume", "unknown" if statements is None else statements / parameters.sockets),
            Row("loop lag p99", result.server.lag_p99_ms if result.server.lag_p99_ms is not None else "unknown", "ms or less"),
            Row("resumes per server-CPU-second", result.per_cpu_s(whole.count)),
        ]
