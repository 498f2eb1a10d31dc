"""Idle: people who are there and say nothing."""

from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.report.result import Result, Row
from commonroom.bench.scenario.scenario import Scenario

__all__ = ["Idle"]


class Parameters(Struct):
    """Options."""

    sockets: Annotated[int, Meta(ge=1, description="joined sessions, each of its own guest")] = 2000
    rooms: Annotated[int, Meta(ge=1, description="rooms they are in")] = 40


class Idle(Scenario[Parameters]):
    """Joined sessions that say nothing: what one costs in memory, and all in CPU, heartbeats on."""

    name = "idle"
    parameter_type = Parameters
    settle_s = 3.0

    async def prepare(self) -> None:
        rooms = self.load.shared["rooms"]
        self.members = [self.load.person(rooms[number % len(rooms)], number) for number in self.load.mine(self.parameters.sockets)]
        await self.load.enter(self.members)

    async def drive(self) -> None:
        await self.load.stopping.wait()

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        server = result.server
        if server.rss_after_bytes is None or server.rss_start_bytes is None or server.cpu_s is None:
            return []
        grown_bytes = server.rss_after_bytes - server.rss_start_bytes
        return [
            Row("RSS a session", grown_bytes / parameters.sockets / 1024, "KiB"),
            Row("CPU of all", 100 * server.cpu_s / result.seconds, "% of a core"),
            Row("CPU a session and heartbeat interval", 25e6 * server.cpu_s / result.seconds / parameters.sockets, "µs"),
        ]
