"""Join storm: everybody comes at once, as after a lecture's bell; into empty rooms, or among people who talk."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import cycle
from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.job import Sent
from commonroom.bench.load.member import Member
from commonroom.bench.load.pacing import pace
from commonroom.bench.load.person import Person
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.scenario import Load, Scenario, until
from commonroom.clock import monotonic_us
from commonroom.tasks import pause

__all__ = ["JoinStorm", "portion"]

CONNECTS_AT_ONCE = 512
SPEAKERS = 10
SIZE_BYTES = 128
DRAIN_S = 15.0
BULK_BYTES = 4096
"""What a crowd that is not timed reads at once: two seconds of chat."""

CROWD = "delivery to other members"
CALM = "delivery to members before"
MEANWHILE = "delivery to members meanwhile"
TO_COMERS = "delivery to those who come"


class Parameters(Struct):
    """Options."""

    sockets: Annotated[int, Meta(ge=1, description="sockets in all that come")] = 1000
    rooms: Annotated[int, Meta(ge=1, description="rooms they join")] = 10
    within_s: Annotated[float, Meta(ge=0, description="time over which they come; 0: all at the gate")] = 0.0
    members: Annotated[int, Meta(ge=0, description="sockets in all that are there before")] = 0
    chat_per_s: Annotated[float, Meta(ge=0, description="messages a second that ten of those send, kept")] = 0.0
    calm_s: Annotated[float, Meta(ge=0, description="time of that chat before the others come")] = 5.0
    apart: Annotated[bool, Meta(description="those ten have the first of several workers for themselves, and are timed alone")] = False


def portion(start: int, end: int, share: int, shares: int, *, apart: bool) -> range:
    """Those of the people from `start` to `end` who are this worker's. `apart`: the first worker has the first ten alone."""
    if not apart:
        return range(start + share, end, shares)
    if not share:
        return range(start, min(end, SPEAKERS))
    return range(max(start, SPEAKERS) + share - 1, end, shares - 1)


class JoinStorm(Scenario[Parameters]):
    """Everybody connects, says hello and joins at once, tokens at hand; perhaps while members talk."""

    name = "join-storm"
    parameter_type = Parameters

    def __init__(self, load: Load, parameters: Parameters) -> None:
        super().__init__(load, parameters)
        self.people: list[Person] = []
        self.residents: list[Person] = []
        self.speakers: list[Publisher] = []

    @classmethod
    def lasts(cls, parameters: Parameters) -> bool:
        return False

    async def prepare(self) -> None:
        wanted, load, rooms = self.parameters, self.load, self.load.shared["rooms"]
        self.shares = load.shares - 1 if self._is_apart else load.shares
        for number in self._mine(wanted.members):
            resident = load.person(rooms[number % len(rooms)], number, durable=True)
            self.residents.append(resident)
            if number < SPEAKERS:
                self.speakers.append(Publisher(resident, load.site.tally, SIZE_BYTES, closed_loop=False))
        for number in self._mine(wanted.members + wanted.sockets, wanted.members):
            person = load.person(rooms[number % len(rooms)], number, strict=False)
            person.time_deliveries_as(TO_COMERS)
            self.people.append(person)
        self.members = [*self.residents, *self.people]
        await load.enter(self.residents)
        await load.each([person.arm for person in self.people])

    @property
    def _is_apart(self) -> bool:
        return self.parameters.apart and self.load.shares > 1

    def _mine(self, end: int, start: int = 0) -> range:
        return portion(start, end, self.load.share, self.load.shares, apart=self._is_apart)

    async def drive(self) -> None:
        silent = asyncio.Event()
        self._read_by(BULK_BYTES, self.residents)
        talk = self.load.tasks.start("talk", self._talk(silent))
        if self.parameters.members:
            self._time_residents_as(CALM)
            await pause(self.parameters.calm_s)
            self._time_residents_as(MEANWHILE)
        if self._is_apart and not self.load.share:
            await pause(self.parameters.within_s)
        else:
            await self._come()
        silent.set()
        await talk
        self._read_by(1, self.members)

    def sent(self) -> Sent:
        return super().sent() if self.speakers else {}

    async def _talk(self, silent: asyncio.Event) -> None:
        share = len(self.speakers) / min(SPEAKERS, self.parameters.members or 1)
        if not self.speakers or not self.parameters.chat_per_s:
            return
        turns = cycle(self.speakers)
        for speaker in self.speakers:
            speaker.start()
        await pace(self.parameters.chat_per_s * share, lambda intended_us: next(turns).offer(intended_us), silent)
        for speaker in self.speakers:
            speaker.stop()
        await until(lambda: all(speaker.is_done for speaker in self.speakers), DRAIN_S)

    async def _come(self) -> None:
        began_us = monotonic_us()
        step_us = self.parameters.within_s * 1e6 / self.parameters.sockets
        first = self.parameters.members
        steps = [self._coming(person, began_us + int((person.number - first) * step_us)) for person in self.people]
        await self.load.each(steps, CONNECTS_AT_ONCE)
        self.load.site.tally.count("coming took, s", (monotonic_us() - began_us) / 1e6 / self.shares)

    def _coming(self, person: Person, intended_us: int) -> Callable[[], Awaitable[None]]:
        async def come() -> None:
            if self.load.stopping.is_set():
                return
            if (early_us := intended_us - monotonic_us()) > 0:
                await pause(early_us / 1e6)
            tally = self.load.site.tally
            tally.count("came")
            await person.connect()
            tally.count("were let in")
            tally.time("join").record(monotonic_us() - intended_us)
            self._read_by(BULK_BYTES, [person])

        return come

    def _read_by(self, size_bytes: int, people: Iterable[Member]) -> None:
        """Only where somebody apart is timed, and there is something to read: heartbeats alone would not be answered in time."""
        if self._is_apart and self.load.share and self.parameters.chat_per_s:
            for person in people:
                person.read_by(size_bytes)

    def _time_residents_as(self, name: str) -> None:
        """Of several workers only the one apart is timed, if there is one: the others are busy with those who come."""
        for resident in self.residents:
            resident.time_deliveries_as(CROWD if self._is_apart and self.load.share else name)

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        joins, numbers = result.tally.time("join"), result.tally.numbers
        rows = [
            Row("joins per server-CPU-second", result.per_cpu_s(joins.count)),
            Row("joins per second", joins.count / max(numbers.get("coming took, s", 0), 1e-6)),
            Row("join p95", ms(joins, 0.95), "ms"),
            Row("not let in", numbers.get("came", 0) - joins.count),
        ]
        if not parameters.members:
            return rows
        calm, meanwhile = (ms(result.tally.time(name), 0.99) for name in (CALM, MEANWHILE))
        return [
            *rows,
            Row("chat p99 before", calm, "ms"),
            Row("chat p99 meanwhile", meanwhile, "ms"),
            Row("longer by", meanwhile - calm, "ms"),
        ]
