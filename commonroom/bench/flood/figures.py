"""The figures of floods: the server's memory and a witness's messages under each, and how long a handshake takes under slow heads.

Flood, stopwatch and server are processes of their own; the witness is in this one.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from msgspec import Struct

from commonroom.bench.cluster.reading import quantile
from commonroom.bench.collector import keep_quiet
from commonroom.bench.flood.attack import FLOODS, UNDER_WAY
from commonroom.bench.load.account import Accounts
from commonroom.bench.load.dialect import Commonroom
from commonroom.bench.load.person import Person, Site
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.tally import Tally
from commonroom.bench.report.result import ms
from commonroom.bench.scenario.scenario import behind, until
from commonroom.bench.suite import Outcome, Reading
from commonroom.bench.target.process import usage
from commonroom.bench.target.target import Spawned, spawned
from commonroom.clock import monotonic_us
from commonroom.errors import Unavailable
from commonroom.tasks import TaskGroup, pause

__all__ = ["FLOOD_FIGURES", "Span", "handshakes", "memory"]

MIB: Final = 2**20
MOST_MIB: Final = 10.0
START_S: Final = 60.0
EVERY_S: Final = 0.02
"""Between two messages of the witness."""

SIZE_BYTES: Final = 64
PATIENCE_S: Final = 20.0


class Span(Struct, frozen=True):
    """How long and how much."""

    first_s: float = 5.0
    """A flood beforehand, after which everything is there that is allocated once."""
    flood_s: float = 15.0
    rest_s: float = 30.0
    """After which memory must be back."""
    turns: int = 5
    """Of calm and flood, by turns, for the stopwatch."""
    turn_s: float = 8.0
    scale: float = 1.0
    """Times the sockets of a flood."""


async def memory(kind: str, settings: Mapping[str, str], span: Span) -> Outcome:
    """A flood of one kind: what the server has kept half a minute later, and whether two people who talk missed anything."""
    outcome = Outcome(kind, f"flood of {kind}: {_sockets(kind, span):,} sockets for {span.flood_s:g} s, {span.rest_s:g} s later")
    async with spawned(settings) as server, _witnesses(server) as (people, tally):
        async with _flooding(kind, server, span):
            await pause(span.first_s)
        await pause(span.rest_s)
        before = usage(server.pids).rss_bytes
        async with _flooding(kind, server, span):
            await pause(span.flood_s)
            during = usage(server.pids).rss_bytes
        await pause(span.rest_s)
        after = usage(server.pids).rss_bytes
        await _settle(people, tally)
    outcome.failures = _missed(tally)
    outcome.readings = [
        Reading("memory kept", (after - before) / MIB, "MiB", MOST_MIB),
        Reading("memory at its end", (during - before) / MIB, "MiB"),
        Reading("witness: messages", tally.sent, ""),
        Reading("witness: delivery p99", ms(tally.time("delivery"), 0.99), "ms"),
    ]
    return outcome


async def handshakes(settings: Mapping[str, str], span: Span) -> Outcome:
    """Handshakes one after another, without and with 500 slow heads beside them, by turns."""
    outcome = Outcome(
        "handshakes", f"handshakes beside {_sockets('heads', span):,} slow heads, {span.turns} turns of {span.turn_s:g} s each"
    )
    calm_us: list[int] = []
    busy_us: list[int] = []
    async with spawned(settings) as server:
        await _stopwatch(server, span.first_s)
        for _ in range(span.turns):
            calm_us += await _stopwatch(server, span.turn_s)
            async with _flooding("heads", server, span):
                busy_us += await _stopwatch(server, span.turn_s)
    calm, busy = quantile(calm_us, 0.99), quantile(busy_us, 0.99)
    outcome.readings = [
        Reading("handshakes", len(calm_us) + len(busy_us), ""),
        Reading("p99 without", calm / 1000, "ms"),
        Reading("p99 with", busy / 1000, "ms"),
        Reading("with / without", busy / calm, "x", 2.0),
    ]
    return outcome


FLOOD_FIGURES: Final = (*FLOODS, "handshakes")


def _sockets(kind: str, span: Span) -> int:
    return max(1, int(FLOODS[kind][1] * span.scale))


@asynccontextmanager
async def _flooding(kind: str, server: Spawned, span: Span) -> AsyncIterator[None]:
    """The flood is under way within the block."""
    async with Accounts(server.url) as accounts:
        token = await accounts.ws_token(await accounts.guest("flood"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "commonroom.bench.flood.attack", kind, "127.0.0.1", str(server.ports[0]), str(_sockets(kind, span)),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise Unavailable("the flood has no pipes")
    try:
        process.stdin.write(f"{token}\n".encode())
        async with asyncio.timeout(START_S):
            said = (await process.stdout.readline()).decode().strip()
        if said != UNDER_WAY:
            raise Unavailable(f"the flood of {kind} did not begin: {said}")
        yield
    except TimeoutError:
        raise Unavailable(f"the flood of {kind} was not under way within {START_S:g} s") from None
    finally:
        process.stdin.close()
        await process.wait()


async def _stopwatch(server: Spawned, seconds: float) -> list[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "commonroom.bench.flood.stopwatch", "127.0.0.1", str(server.ports[0]), str(seconds),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()
    if process.returncode != 0:
        raise Unavailable(f"the stopwatch failed: {error.decode().strip().splitlines()[-1:]}")
    return msgspec.json.decode(out, type=list[int])


@asynccontextmanager
async def _witnesses(server: Spawned) -> AsyncIterator[tuple[list[Person], Tally]]:
    """Two people in a room, one of whom speaks all the time."""
    tasks, tally = TaskGroup(lambda _name, _error: None), Tally()
    async with Accounts(server.url) as accounts:
        room = await accounts.room(await accounts.guest("host"), "witnessed")
        speech = Commonroom(durable=True)
        check, site = StreamCheck(speech), Site("127.0.0.1", server.ports[0], accounts, tasks, tally)
        people = [Person(site, speech, check, room, number) for number in range(2)]
        try:
            for person in people:
                await person.enter()
            keep_quiet()
            tasks.start("speak", _speak(Publisher(people[0], tally, SIZE_BYTES, closed_loop=False)))
            yield people, tally
        finally:
            for person in people:
                person.leave()
            await tasks.close()


async def _speak(publisher: Publisher) -> None:
    publisher.start()
    while True:
        publisher.offer(monotonic_us())
        await pause(EVERY_S)


async def _settle(people: list[Person], tally: Tally) -> None:
    """What was said by now must be everywhere soon."""
    sent = {people[0].room: {people[0].number: people[0].sent}}
    await until(lambda: not any(behind(person, sent) for person in people), PATIENCE_S)
    tally.flaws.lost += sum(behind(person, sent) for person in people)


def _missed(tally: Tally) -> list[str]:
    flaws = tally.flaws
    found = {"lost": flaws.lost, "duplicated": flaws.duplicated, "reordered": flaws.reordered, "corrupted": flaws.corrupted}
    told = [f"{count} messages of the witness {name}" for name, count in found.items() if count]
    return [*told, *([f"the witness was dropped {tally.dropped} times"] if tally.dropped else [])]
