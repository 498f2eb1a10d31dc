"""Listing: pages of public rooms over HTTP, beside a handler that only returns the same bytes.

Without `walks` the first page again and again, which the server keeps for half a second. With it everybody walks:
page after page of what their filters leave, then with the next ones. Meanwhile rooms may be founded and archived.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from itertools import cycle
from typing import Annotated, Any

from msgspec import Meta, Struct

from commonroom.bench.load.http import Getter
from commonroom.bench.load.pacing import pace
from commonroom.bench.load.person import Person
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.founding import enter_hosts, found_rooms
from commonroom.bench.scenario.scenario import Load, Scenario
from commonroom.ids import new_id
from commonroom.protocol.room import RoomArchive, RoomCreate, RoomJoin, RoomLeave

__all__ = ["Listing"]

CURSOR = re.compile(rb'"nextCursor":"([^"]+)"}\Z')
FILTERS = ("", "&sort=newest", "&language=en", "&status=active", "&status=idle", "&size=small", "&q=room", "&q=churn&sort=newest")
HOSTS = 20


class Parameters(Struct):
    """Options."""

    rooms: Annotated[int, Meta(ge=0, description="public rooms to found before")] = 10_000
    connections: Annotated[int, Meta(ge=1, description="kept-alive connections, each waits for its last page")] = 32
    page: Annotated[int, Meta(ge=1, le=100, description="rooms a page")] = 50
    walks: Annotated[bool, Meta(description="walk all pages with changing filters; false: the first page again and again")] = False
    rate_per_s: Annotated[float, Meta(ge=0, description="pages a second in all; 0: each connection waits for its last one")] = 0.0
    churn_per_s: Annotated[float, Meta(ge=0, description="rooms founded, and as many archived, a second meanwhile")] = 0.0


class Listing(Scenario[Parameters]):
    """Pages of public rooms over HTTP."""

    name = "listing"
    parameter_type = Parameters
    makes_rooms = False
    needs_user = True
    settle_s = 3.0

    async def prepare(self) -> None:
        load, wanted = self.load, self.parameters
        user, self.churn = load.shared.get("user", ""), None
        rooms = await found_rooms(load, len(load.mine(wanted.rooms)), user=user) if wanted.rooms else []
        if wanted.churn_per_s:
            self.churn = _Churn(load, await enter_hosts(load, HOSTS, user), deque(rooms))
        every_s = wanted.connections / wanted.rate_per_s if wanted.rate_per_s else 0.0
        site, share_s = load.site, every_s / wanted.connections
        self.getters = [
            Getter(site.host, site.port, self._targets(number), site.tally, every_s=every_s, after_s=number * share_s)
            for number in load.mine(wanted.connections)
        ]

    async def drive(self) -> None:
        stopping, share = self.load.stopping, self.parameters.churn_per_s / self.load.shares
        paced = [pace(share, self.churn.turn, stopping)] if self.churn is not None else []
        await asyncio.gather(*(getter.run(stopping) for getter in self.getters), *paced)
        if self.churn is not None:
            await self.churn.through()

    def close(self) -> None:
        if self.churn is not None:
            self.churn.close()

    def _targets(self, number: int) -> Callable[[bytes], str]:
        first = f"/v1/rooms?limit={self.parameters.page}"
        if not self.parameters.walks:
            return lambda _body: first
        filters = cycle(FILTERS[number % len(FILTERS) :] + FILTERS[: number % len(FILTERS)])
        walked = next(filters)

        def next_page(body: bytes) -> str:
            nonlocal walked
            found = CURSOR.search(body)
            if found is None and body:
                walked = next(filters)
            return f"{first}{walked}" + (f"&cursor={found[1].decode()}" if found is not None else "")

        return next_page

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        pages, numbers = result.tally.time("page"), result.tally.numbers
        read = result.server.counters.get("commonroom_list_pages_total")
        return [
            Row("pages per server-CPU-second", result.per_cpu_s(pages.count)),
            Row("pages per second", pages.count / result.seconds),
            Row("page p99", ms(pages, 0.99), "ms"),
            Row("bytes a page", numbers.get("bytes", 0) / max(pages.count, 1)),
            Row("SQL statements a page", "unknown" if read is None else read / max(pages.count, 1)),
            Row("rooms founded per second", numbers.get("founded", 0) / result.seconds),
            Row("rooms ended per second", numbers.get("ended", 0) / result.seconds),
        ]


class _Churn:
    """Rooms that come and go: each turn founds one and archives the oldest."""

    def __init__(self, load: Load, hosts: list[Person], rooms: deque[str]) -> None:
        self._load = load
        self._hosts = hosts
        self._next = cycle(hosts)
        self._rooms = rooms
        self._turns: set[asyncio.Task[Any]] = set()

    def turn(self, _intended_us: int) -> None:
        turn = self._load.tasks.start("come and go", self._come_and_go(next(self._next)))
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    async def through(self) -> None:
        """All turns have ended."""
        await asyncio.gather(*self._turns)

    def close(self) -> None:
        for host in self._hosts:
            host.leave()

    async def _come_and_go(self, host: Person) -> None:
        load, room = self._load, new_id(1, self._load.random.getrandbits(74))
        await host.ask(lambda ref: RoomCreate(ref, room, room, "study", f"Churn {room[-6:]}", visibility="public"))
        load.site.tally.count("founded")
        self._rooms.append(room)
        oldest = self._rooms.popleft()
        await host.ask(lambda ref: RoomJoin(ref, oldest))
        await host.ask(lambda ref: RoomArchive(ref, oldest, f"end-{oldest}"))
        load.site.tally.count("ended")
        await host.ask(lambda ref: RoomLeave(ref, oldest))
