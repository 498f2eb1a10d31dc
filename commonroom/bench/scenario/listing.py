"""Listing: a page of public rooms over HTTP, beside a handler that only returns the same bytes."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.http import Getter
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.founding import found_rooms
from commonroom.bench.scenario.scenario import Scenario

__all__ = ["Listing"]


class Parameters(Struct):
    """Options."""

    rooms: Annotated[int, Meta(ge=0, description="public rooms to found before")] = 10_000
    connections: Annotated[int, Meta(ge=1, description="kept-alive connections, each waits for its last page")] = 32
    page: Annotated[int, Meta(ge=1, le=100, description="rooms a page")] = 50


class Listing(Scenario[Parameters]):
    """A page of public rooms over HTTP, the first one again and again."""

    name = "listing"
    parameter_type = Parameters
    makes_rooms = False
    settle_s = 3.0

    async def prepare(self) -> None:
        load, wanted = self.load, self.parameters
        if wanted.rooms:
            await found_rooms(load, len(load.mine(wanted.rooms)))
        target = f"/v1/rooms?limit={wanted.page}"
        self.getters = [Getter(load.site.host, load.site.port, target, load.site.tally) for _ in load.mine(wanted.connections)]

    async def drive(self) -> None:
        await asyncio.gather(*(getter.run(self.load.stopping) for getter in self.getters))

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        pages = result.tally.time("page")
        return [
            Row("pages per server-CPU-second", result.per_cpu_s(pages.count)),
            Row("pages per second", pages.count / result.seconds),
            Row("page p99", ms(pages, 0.99), "ms"),
            Row("bytes a page", result.tally.numbers.get("bytes", 0) / max(pages.count, 1)),
        ]
