"""A run: a world, clients in it, faults from a seed, a calm end, and the check of everything."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import asyncpg
from websockets.exceptions import WebSocketException

from commonroom.protocol.room import Joined
from commonroom.tasks import TaskGroup
from tests.chaos import checker
from tests.chaos.ledger import Ledger
from tests.chaos.logs import log_faults
from tests.chaos.nemesis import Nemesis
from tests.chaos.person import Person
from tests.chaos.plan import plan
from tests.chaos.ticket import Ticket
from tests.chaos.wire import LOST
from tests.chaos.witness import Witness
from tests.chaos.world import World
from tests.support.client import Guest, Peer, Refused

__all__ = ["Run", "Size"]

WELL_S = 60.0
"""So long after the last fault everything must be well."""

POLL_S = 0.2
TIMER = {"focusMs": 1500, "shortBreakMs": 1000, "longBreakMs": 2000, "longEvery": 3}
LATE_TIMER_MS = 5000

AWAY = (*LOST, WebSocketException, Refused, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a question to servers that are not well yet may raise."""


class Size(NamedTuple):
    """How much there is of everything. `every_s`: a client's mean time between two lines.

    Many rooms, some of them quiet for a moment: a late write into a busy one fails by its offset already, before the fence is asked.
    """

    people: int = 16
    rooms: int = 18
    timers: int = 3
    every_s: float = 0.3


class Run:
    """One run. `failures` are empty after a good one.

    Half of the seeds play on one host, half as if between hosts (`World`).

    Args:
        say: is told what happens, a line at a time.
        made: see `World`.
    """

    def __init__(self, seed: int, size: Size, say: Callable[[str], None], made: Path | None = None) -> None:
        self.seed = seed
        self.size = size
        self.ledger = Ledger()
        self.one_host = Random(f"{seed} hosts").random() < 0.5
        self.world = World(self.ledger, neighbours=self.one_host, made=made)
        self.people: list[Person] = []
        self.rooms: list[str] = []
        self.timer_rooms: list[str] = []
        self._say = say
        self._began_s = 0.0
        self._tasks = TaskGroup(lambda name, error: self.ledger.fail(f"the kit itself: {name}: {error!r}"))
        self._host: Guest
        self._witness: Witness

    @property
    def failures(self) -> list[str]:
        return self.ledger.failures

    async def play(self, seconds: float) -> None:
        """Let the faults of the seed happen for so long, then check."""
        await self.play_with(lambda: Nemesis(self.world, self.people, self._witness, self.say).run(plan(self.seed, seconds), seconds))

    async def play_with(self, trouble: Callable[[], Awaitable[None]]) -> None:
        """Let `trouble` happen while everybody writes, then check."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._surprise)
        self._began_s = loop.time()
        try:
            async with self.world:
                await self._open()
                await trouble()
                await self._end()
        finally:
            await self._tasks.close()
            loop.set_exception_handler(None)

    def say(self, text: str) -> None:
        """One line of progress."""
        counts = self.ledger.counts
        at_s = asyncio.get_running_loop().time() - self._began_s
        self._say(f"{at_s:7.1f} s  {text:60}  acked {counts['acked']}, reconnects {counts['reconnects']}, failures {counts['failures']}")

    def _surprise(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.ledger.fail(f"the kit itself: {context.get('message')}: {context.get('exception')!r}")

    # -- the beginning -----------------------------------------------------------------------------

    async def _open(self) -> None:
        world = self.world
        for _ in range(4):
            await world.add_node()
        async with asyncio.TaskGroup() as tasks:
            for node in world.nodes[:3]:
                tasks.create_task(node.start())
        await self._found_rooms(f"http://127.0.0.1:{world.nodes[0].port}")
        for number in range(self.size.people):
            self.people.append(await self._invite(number))
        self._witness = Witness(world.dsn, [f"room/{room}" for room in self.rooms], self.ledger)
        self._tasks.start("witness", self._witness.watch())
        for person in self.people:
            self._tasks.start(person.name, person.run())
        await self._until(self._ills, "the start")
        self.say(f"{len(self.people)} clients in {len(self.rooms)} rooms, 3 nodes {'of one host' if self.one_host else 'as between hosts'}")

    async def _found_rooms(self, url: str) -> None:
        self._host = await Guest(url, "host").sign_in()
        for number in range(self.size.rooms):
            is_timer = number < self.size.timers
            room = await self._host.create_room(f"Room {number}", **({"timer": TIMER} if is_timer else {}))
            self.rooms.append(room)
            if is_timer:
                self.timer_rooms.append(room)

    async def _invite(self, number: int) -> Person:
        random = Random(f"{self.seed} person {number}")
        guest = await Guest(self._host.url, f"p{number}").sign_in()
        ticket = Ticket(guest, self.ledger)
        rooms = [room for room in self.rooms if number == 0 or random.random() < 0.6] or self.rooms[:1]
        starts = frozenset(self.timer_rooms) if number == 0 else frozenset[str]()
        return Person(ticket, rooms, self.world.ports, self.ledger, random, every_s=self.size.every_s, starts_timers=starts)

    # -- the end --------------------------------------------------------------------------------------

    async def _end(self) -> None:
        for person in self.people:
            person.pen.resting = True
        await self._until(self._ills, "calm")
        await self._until(self._presence_ills, "presence")
        await self._until(self._projection_ills, "the projection")
        self.say("well again")
        await self.world.poll_once()
        await self._tasks.close()
        await self._check()
        for node in self.world.nodes:
            if node.pid:
                await node.leave()
        for node in self.world.nodes:
            for fault in log_faults(node.log):
                self.ledger.fail(fault)

    async def _until(self, ills: Callable[[], Awaitable[list[str]]], what: str) -> None:
        """Wait until nothing is wrong, or say what still is when the time is up."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + WELL_S
        while found := await self._ask(ills):
            if loop.time() > give_up_s:
                for ill in found[:20]:
                    self.ledger.fail(f"not well {WELL_S:.0f} s after {what}: {ill}")
                return
            await asyncio.sleep(POLL_S)

    async def _ask(self, ills: Callable[[], Awaitable[list[str]]]) -> list[str]:
        try:
            return await ills()
        except AWAY as error:
            return [f"cannot be told yet: {error!r}"]

    async def _ills(self) -> list[str]:
        connection = await self.world.connect()
        try:
            heads = {row[0].removeprefix("room/"): row[1] for row in await connection.fetch("SELECT address, head FROM actor")}
        finally:
            await connection.close()
        await asyncio.sleep(POLL_S)  # what has just been committed is on its way
        found = [ill for person in self.people for ill in person.ills()]
        for person in self.people:
            for room, place in person.places.items():
                if (place.position or 0) < heads.get(room, 0):
                    found.append(f"{person.name} is at {place.position} of {heads[room]} in {room}")
        return found

    async def _presence_ills(self) -> list[str]:
        """A stranger looks into every room: exactly those are there who are, and timers run."""
        node = next(node for node in self.world.nodes if node.serves)
        watcher = await Guest(f"http://127.0.0.1:{node.port}", "watcher").sign_in()
        peer = await Peer.open(f"ws://127.0.0.1:{node.port}/v1/ws", await watcher.ws_token())
        try:
            return [ill for room in self.rooms for ill in await self._look_into(peer, room, watcher.principal["actorId"])]
        finally:
            await peer.close()

    async def _look_into(self, peer: Peer, room: str, watcher: str) -> list[str]:
        joined = await peer.request("room.join", room=room)
        assert isinstance(joined, Joined)
        should = {person.sid: person.name for person in self.people if room in person.places}
        there = {person.principal.actor_id for person in joined.presence.people} - {watcher}
        found = [f"{should[sid]} is missing in {room}" for sid in should.keys() - there]
        found += [f"{sid} is still in {room}" for sid in there - should.keys()]
        timer = joined.timer
        if timer is not None and timer.ends_at is not None and timer.ends_at < time.time() * 1000 - LATE_TIMER_MS:
            found.append(f"the timer of {room} was due at {timer.ends_at}")
        return found

    async def _projection_ills(self) -> list[str]:
        connection = await self.world.connect()
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                events, rows = await checker.read_events(connection), await checker.read_messages(connection)
        finally:
            await connection.close()
        return list(checker.messages_equal_the_journal(events, rows))

    async def _check(self) -> None:
        connection = await self.world.connect()
        try:
            events = await checker.read_events(connection)
        finally:
            await connection.close()
        for fault in self._faults(events):
            self.ledger.fail(fault)
        self.say(f"{len(events)} events checked")

    def _faults(self, events: list[checker.Stored]) -> Iterator[str]:
        writers = [checker.Writer(person.name, person.sid, person.pen.lines) for person in self.people]
        yield from checker.offsets_are_dense(events)
        yield from checker.epochs_never_fall(events)
        yield from checker.keys_are_unique(events)
        yield from checker.acks_are_stored_once(events, writers)
        yield from checker.lines_kept_their_order(writers)
        yield from checker.shown_is_stored(events, self.ledger.shown)
        yield from checker.deadlines_took_effect_once(events)
