"""Timers: many rooms whose shared timer runs, with or without people in them."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.person import Person
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.founding import AT_ONCE, HOSTS, enter_hosts, found_rooms
from commonroom.bench.scenario.scenario import Scenario, until
from commonroom.protocol.room import RoomJoin, RoomLeave
from commonroom.protocol.timer import TimerSettings, TimerStart, TimerUpdate
from commonroom.protocol.wire import ServerMessage

__all__ = ["Timers"]

FOLLOWED = 100
"""Rooms that one session may follow."""

LATE_S = 30.0


class Parameters(Struct):
    """Options."""

    rooms: Annotated[int, Meta(ge=1, description="rooms with a running timer")] = 5000
    phase_s: Annotated[float, Meta(ge=1, le=14400, description="length of the phase that runs")] = 15.0
    occupied: Annotated[bool, Meta(description="somebody is in each room and hears the end; else everybody leaves and nothing is due")] = (
        True
    )


class Timers(Scenario[Parameters]):
    """Rooms with running timers: what a phase's end costs and how late it is, or what they cost while nothing is due."""

    name = "timers"
    parameter_type = Parameters
    makes_rooms = False
    settle_s = 3.0
    server_settings = {"COMMONROOM_ENGINE__IDLE_S": "2"}

    @classmethod
    def lasts(cls, parameters: Parameters) -> bool:
        return not parameters.occupied

    async def prepare(self) -> None:
        wanted = self.parameters
        self.ended: set[str] = set()
        self.hosts: list[Person] = []
        timer = TimerSettings(focus_ms=int(wanted.phase_s * 1000), auto_start=False)
        self.rooms = await found_rooms(self.load, len(self.load.mine(wanted.rooms)), timer)
        self._at: list[int] = []
        shares = [self.rooms[start : start + FOLLOWED] for start in range(0, len(self.rooms), FOLLOWED)]
        self.hosts = await enter_hosts(self.load, len(shares) if wanted.occupied else HOSTS)
        if wanted.occupied:
            pairs = [(host, room) for host, share in zip(self.hosts, shares, strict=True) for room in share]
            await self.load.each([partial(self._join, host, room) for host, room in pairs], AT_ONCE)
            for host in self.hosts:
                host.on_message = self._heard
            await self.load.each([partial(self._start, host, room) for host, room in pairs], AT_ONCE)
        else:
            await self.load.each(
                [partial(self._visit, host, room) for host, room in zip(cycle(self.hosts), self.rooms, strict=False)], AT_ONCE
            )

    async def drive(self) -> None:
        if self.parameters.occupied:
            await until(lambda: len(self.ended) == len(self.rooms) or self.load.stopping.is_set(), self.parameters.phase_s + LATE_S)
            self.load.site.tally.flaws.lost += 0 if self.load.stopping.is_set() else len(self.rooms) - len(self.ended)
            self.load.site.tally.count("deadlines in the busiest second", _most_within(sorted(self._at), 1000))
        else:
            await self.load.stopping.wait()

    def close(self) -> None:
        for host in self.hosts:
            host.leave()

    async def _visit(self, host: Person, room: str) -> None:
        await self._join(host, room)
        await self._start(host, room)
        await host.ask(lambda ref: RoomLeave(ref, room))

    async def _join(self, host: Person, room: str) -> None:
        await host.ask(lambda ref: RoomJoin(ref, room))

    async def _start(self, host: Person, room: str) -> None:
        self.load.site.tally.sent += 1
        await host.ask(lambda ref: TimerStart(ref, room, f"start-{room}"))
        self.load.site.tally.answered += 1

    def _heard(self, message: ServerMessage) -> None:
        if isinstance(message, TimerUpdate) and message.cause == "phase_end":
            tally = self.load.site.tally
            tally.delivered += 1
            tally.flaws.duplicated += message.room in self.ended
            self.ended.add(message.room)
            self._at.append(message.at)
            tally.time("late").record(self.hosts[0].server_us() - message.at * 1000)

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        late, server = result.tally.time("late"), result.server
        if server.cpu_s is None or server.rss_after_bytes is None or server.rss_start_bytes is None:
            return [Row("late p99", ms(late, 0.99), "ms")]
        grown_bytes = server.rss_after_bytes - server.rss_start_bytes
        if not parameters.occupied:
            return [
                Row("CPU of all", 100 * server.cpu_s / result.seconds, "% of a core"),
                Row("RSS a room", grown_bytes / parameters.rooms / 1024, "KiB"),
                Row("rooms that are live", server.gauges.get("commonroom_engine_live", 0), f"of {parameters.rooms}"),
                Row("SQL statements a second", (server.statements or 0) / result.seconds),
            ]
        return [
            Row("phases ended", late.count, f"of {parameters.rooms}"),
            Row("late p99", ms(late, 0.99), "ms"),
            Row("late at most", late.max_us / 1000, "ms"),
            Row("CPU a transition", 1e6 * server.cpu_s / max(late.count, 1), "µs"),
        ]


def _most_within(moments: Sequence[int], span: int) -> int:
    """The most of these ascending moments that fall within any span."""
    return max((bisect_left(moments, moment + span) - place for place, moment in enumerate(moments)), default=0)
