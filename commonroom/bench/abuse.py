"""What it costs to say no, and what others notice of somebody who sends without pause."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from statistics import median
from typing import Final

from commonroom.bench.cluster.reading import quantile
from commonroom.bench.collector import keep_quiet
from commonroom.bench.flooder import flooder
from commonroom.bench.inhabitant import inhabitant
from commonroom.bench.load.person import Person
from commonroom.bench.suite import Outcome, Reading
from commonroom.bench.target.process import usage
from commonroom.bench.target.target import Spawned, spawned
from commonroom.clock import cpu_s, monotonic_us
from commonroom.errors import Unavailable
from commonroom.ids import new_id
from commonroom.limit.gcra import Rate
from commonroom.limit.limit import EVENTS, SEARCHES
from commonroom.limit.table import Table
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.room import RoomCreate
from commonroom.protocol.session import Error, Reply
from commonroom.protocol.typing import TypingStart
from commonroom.protocol.wire import Command, ServerMessage
from commonroom.tasks import TaskGroup, pause

__all__ = ["ABUSE_FIGURES", "denials", "flat_out", "limiter"]

DECISIONS = 200_000
COMMANDS = 20_000
FOUNDINGS = 500
TURNS = 5
"""Of each, the median counts."""
PLACES: Final = count()
"""Addresses of those who ask: each founds a room, and an address may found two an hour."""
BATCH = 50
"""Commands under way at once: fewer than a mailbox holds."""

ROOMS = 120
"""Some 840 acknowledgements a round. With 30 rooms a round's p99 was its third worst, and the ratio noise between 1.0 and 1.5."""
SENDS = 5000
"""Written at once by the one who floods, again and again."""
ROUNDS = 7
ROUND_S = 10.0
EVERY_S = 1.2
"""Between two messages of a witness: below what a person may send."""
PATIENCE_S: Final = 20.0

UNLIMITED: Final = {"COMMONROOM_GATEWAY__ERRORS_PER_MINUTE": "100000000"}
"""So that the socket of somebody who is refused all the time lives as long as that of somebody who is not."""
STRICT: Final = {"COMMONROOM_LIMITS__SCALE": "1"}


async def limiter(_settings: Mapping[str, str]) -> Outcome:
    """A decision in this process: CPU, no I/O of any kind."""
    rate, granted, refused = EVENTS.rate(1e6), Table(SEARCHES.rate(1e5)), Table(Rate(10**15, 1))
    refused.grant("key", 0)
    outcome = Outcome("limiter", "a limit decided locally")
    outcome.readings = [
        Reading("a connection's, granted", _each_us(_connection(rate)), "µs", 1.0),
        Reading("a key's, granted", _each_us(_key(granted)), "µs", 1.0),
        Reading("a key's, refused", _each_us(_key(refused)), "µs", 1.0),
    ]
    return outcome


async def denials(settings: Mapping[str, str]) -> Outcome:
    """The server's CPU for a command that is refused, beside the same command where it is allowed."""
    outcome = Outcome("denials", "the server's CPU for a command, allowed and refused")
    async with spawned({**settings, **UNLIMITED}) as server:
        typed_us = await _command_us(server, COMMANDS, _type, Reply)
        founded_us = await _command_us(server, FOUNDINGS, _found("unlisted"), Reply)
        forbidden_us = await _command_us(server, COMMANDS, _found("public"), Error)
    async with spawned({**settings, **UNLIMITED, **STRICT}) as server:
        limited_us = await _command_us(server, COMMANDS, _type, Error)
    outcome.readings = [
        Reading("typing shown", typed_us, "µs"),
        Reading("typing refused: too often", limited_us, "µs"),
        Reading("refused / shown", limited_us / typed_us, "x", 1.0),
        Reading("a room founded", founded_us, "µs"),
        Reading("a room refused: not for guests, audited", forbidden_us, "µs"),
        Reading("refused / founded", forbidden_us / founded_us, "x", 1.0),
    ]
    return outcome


async def flat_out(settings: Mapping[str, str]) -> Outcome:
    """One client writes 5,000 messages at once, comes back when it is closed, and again; by turns with calm. The limits are everybody's."""
    outcome = Outcome("flat-out", f"one client sends {SENDS:,} at once, again and again; {ROOMS} other rooms meanwhile")
    tasks = TaskGroup(lambda _name, _error: None)
    calm_ms: list[float] = []
    busy_ms: list[float] = []
    async with spawned({**settings, **STRICT}) as server:
        url, port = server.url, server.ports[0]
        witnesses = [await inhabitant(url, port, tasks, number, Person) for number in range(ROOMS)]
        async with flooder(url, port, ROOMS, SENDS) as flood:
            keep_quiet()
            for _ in range(ROUNDS):
                calm_ms.extend(await _listen(witnesses))
                flood.turn()
                busy_ms.extend(await _listen(witnesses))
                flood.turn()
        for person in witnesses:
            person.comes_back = False
            person.leave()
        await tasks.close()
    calm, busy = quantile(calm_ms, 0.99), quantile(busy_ms, 0.99)
    outcome.readings = [
        Reading("connections of the flooder", flood.lives, ""),
        Reading("acknowledgements compared", len(calm_ms), ""),
        Reading("other rooms, calm: p50", quantile(calm_ms, 0.5), "ms"),
        Reading("meanwhile: p50", quantile(busy_ms, 0.5), "ms"),
        Reading("calm: p99", calm, "ms"),
        Reading("meanwhile: p99", busy, "ms"),
        Reading("meanwhile / calm: p99", busy / calm, "x", 1.2),
    ]
    return outcome


ABUSE_FIGURES: Final = {"limiter": limiter, "denials": denials, "flat-out": flat_out}


def _connection(rate: Rate) -> Callable[[int], object]:
    tat_us = 0

    def decide(now_us: int) -> None:
        nonlocal tat_us
        if rate.wait_us(tat_us, now_us) <= 0:
            tat_us = rate.after(tat_us, now_us)

    return decide


def _key(table: Table) -> Callable[[int], object]:
    def decide(now_us: int) -> None:
        if table.wait_us("key", now_us) <= 0:
            table.grant("key", now_us)

    return decide


def _each_us(decide: Callable[[int], object]) -> float:
    began_s = cpu_s()
    for now_us in range(0, DECISIONS * 100, 100):
        decide(now_us)
    return 1e6 * (cpu_s() - began_s) / DECISIONS


def _send(ref: int, room: str) -> Command:
    return MessageSend(ref, room, "hello", new_id(ref))


def _type(ref: int, room: str) -> Command:
    return TypingStart(ref, room)


def _found(visibility: str) -> Callable[[int, str], Command]:
    def make(ref: int, _room: str) -> Command:
        room = new_id(ref)
        return RoomCreate(ref, room, room, "study", "A room", visibility=visibility)  # type: ignore[arg-type]

    return make


async def _command_us(server: Spawned, number: int, make: Callable[[int, str], Command], expected: type[ServerMessage]) -> float:
    """CPU of the server for each of so many commands of one person, microseconds."""
    return median([await _turn_us(server, number, make, expected) for _ in range(TURNS)])


async def _turn_us(server: Spawned, number: int, make: Callable[[int, str], Command], expected: type[ServerMessage]) -> float:
    """Once, by somebody new.

    Raises:
        Unavailable: most of them were answered otherwise.
    """
    tasks = TaskGroup(lambda _name, _error: None)
    person = await inhabitant(server.url, server.ports[0], tasks, next(PLACES), Asker)
    await person.all(make, BATCH)  # what is allocated once, and the burst that every limit grants
    before_s, answers = usage(server.pids).cpu_s, [await person.all(make, BATCH) for _ in range(number // BATCH)]
    spent_s = usage(server.pids).cpu_s - before_s
    person.comes_back = False
    person.leave()
    await tasks.close()
    fitting = sum(isinstance(answer, expected) for batch in answers for answer in batch)
    if fitting < 0.9 * number:
        raise Unavailable(f"{number - fitting} of {number} commands were not answered by {expected.__name__}")
    return 1e6 * spent_s / number


async def _listen(witnesses: list[Person]) -> list[float]:
    """Have each say something now and then, for a round; milliseconds until it is acknowledged."""
    taken_ms: list[float] = []
    await asyncio.gather(*(_say_on(one, place / len(witnesses) * EVERY_S, taken_ms) for place, one in enumerate(witnesses)))
    return taken_ms


async def _say_on(person: Person, wait_s: float, taken_ms: list[float]) -> None:
    await pause(wait_s)
    end_us = monotonic_us() + int((ROUND_S - EVERY_S) * 1_000_000)
    while monotonic_us() < end_us:
        began_us = monotonic_us()
        await person.ask(lambda ref: _send(ref, person.room))
        taken_ms.append((monotonic_us() - began_us) / 1000)
        await pause(EVERY_S)


class Asker(Person):
    """Sends many commands at once, and takes refusals for answers."""

    async def all(self, make: Callable[[int, str], Command], count: int) -> list[ServerMessage]:
        """Send so many; their answers."""
        answers: list[asyncio.Future[ServerMessage]] = []
        for _ in range(count):
            self._ref += 1
            answers.append(asyncio.get_running_loop().create_future())
            self._asked[self._ref] = answers[-1]
            self.command(make(self._ref, self.room))
        async with asyncio.timeout(PATIENCE_S):
            return list(await asyncio.gather(*answers))
