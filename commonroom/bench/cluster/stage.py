"""A cluster of our own with people on it, whose deliveries are all checked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from commonroom.bench.cluster.roamer import Roamer
from commonroom.bench.cluster.traveller import Traveller
from commonroom.bench.cluster.writer import Writer
from commonroom.bench.collector import keep_quiet
from commonroom.bench.load.account import Accounts
from commonroom.bench.load.dialect import Commonroom
from commonroom.bench.load.job import Sent
from commonroom.bench.load.person import Person, Site
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.tally import Tally
from commonroom.bench.scenario.scenario import behind, until
from commonroom.bench.target.metrics import fetch, read_metrics
from commonroom.bench.target.target import Spawned, spawned
from commonroom.errors import Unavailable
from commonroom.tasks import TaskGroup, pause

__all__ = ["NODES", "Slots", "Stage", "staged"]

NODES = 3
SLOTS = 1024
HTTP_AT_ONCE = 24
LOOK_S = 0.05
PATIENCE_S = 30.0
ROOMS_A_BATCH = 60
MAX_ROOMS = 3000


class _Member(Struct):
    id: str
    name: str
    """Empty where it has gone and still owns slots."""


class _Status(Struct):
    members: list[_Member]
    quiet: bool
    moving: list[int]
    epochs: dict[str, int] = {}
    owners: dict[str, str] = {}


class Slots(Struct):
    """Who has which slot, as one node sees it."""

    places: dict[int, int]
    """Slot → place of its owner; without those of owners that are no members."""
    epochs: dict[int, int]
    moving: bool
    quiet: bool
    """Nobody is taken for dead now, as for a while after Redis was started."""

    @property
    def settled(self) -> bool:
        """Whether every slot has an owner, none is on its way, and the membership is not frozen."""
        return not self.moving and not self.quiet and len(self.places) == SLOTS

    def of(self, room: str) -> int | None:
        """The place of a room's owner."""
        return self.places.get(slot_of(room))

    def epoch(self, room: str) -> int:
        """The epoch of a room's slot, which each change of owner raises."""
        return self.epochs[slot_of(room)]


def slot_of(room: str) -> int:
    """The slot of a room (DESIGN 5)."""
    return int.from_bytes(blake2b(f"room/{room}".encode(), digest_size=8).digest(), "big") % SLOTS


class Stage:
    """Nodes with ports of their own. Made by `staged`."""

    def __init__(self, server: Spawned) -> None:
        self.server = server
        self.tally = Tally()
        self.failures: list[str] = []
        self.people: list[Person] = []
        self.writers: list[Writer] = []
        self._travellers: list[Traveller] = []
        self._checks: dict[str, StreamCheck] = {}
        self._tasks = TaskGroup(self._crashed)
        self._accounts = [Accounts(f"http://127.0.0.1:{port}") for port in server.ports]
        self._sites = [
            Site("127.0.0.1", port, accounts, self._tasks, self.tally) for port, accounts in zip(server.ports, self._accounts, strict=True)
        ]
        self._numbers = 0

    async def close(self) -> None:
        """Everybody leaves."""
        for person in [*self.people, *self._travellers]:
            person.leave()
        await self._tasks.close()
        for accounts in self._accounts:
            await accounts.close()

    # -- the nodes -----------------------------------------------------------------

    async def slots(self, place: int = 0) -> Slots:
        """Who has which slot, as the node in a place sees it.

        Raises:
            Unavailable: it does not answer.
        """
        url = self.server.metrics_urls[place].removesuffix("/metrics")
        body = await fetch(f"{url}/v1/admin/cluster")
        if not body:
            raise Unavailable(f"node {place + 1} does not tell the state of the cluster")
        status = msgspec.json.decode(body, type=_Status)
        places = {member.id: int(member.name.rpartition("-")[2]) - 1 for member in status.members if member.name}
        return Slots(
            {int(slot): places[owner] for slot, owner in status.owners.items() if owner in places},
            {int(slot): epoch for slot, epoch in status.epochs.items()},
            bool(status.moving),
            status.quiet,
        )

    async def settled(self) -> Slots:
        """Wait until all nodes agree on all slots, each has its share, and none is on its way.

        Raises:
            Unavailable: not within 30 s.
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await pause(LOOK_S)
                seen = await asyncio.gather(*(self.slots(place) for place in range(self.server.nodes)))
                shares = Counter(seen[0].places.values())
                if all(one.settled and one.places == seen[0].places for one in seen) and len(shares) == self.server.nodes:
                    return seen[0]

    async def counters(self, place: int) -> dict[str, float]:
        """The metrics of one node."""
        return await read_metrics([self.server.metrics_urls[place]])

    async def all_counters(self) -> dict[str, float]:
        """The metrics of all nodes, added up."""
        return await read_metrics(self.server.metrics_urls)

    # -- rooms and people -------------------------------------------------------------

    async def rooms(self, count: int, of: int | None = None) -> list[str]:
        """New public rooms; `of`: only such as the node in this place owns.

        Raises:
            Unavailable: the server refused one, or too few fall to that node.
        """
        slots, found, made = await self.settled(), list[str](), 0
        accounts = self._accounts[0]
        host = await accounts.guest("bench host")
        while len(found) < count and made < MAX_ROOMS:
            batch = await _all([accounts.room(host, f"bench {made + number}") for number in range(min(count, ROOMS_A_BATCH))])
            made += len(batch)
            found += [room for room in batch if of is None or slots.of(room) == of]
        if len(found) < count:
            raise Unavailable(f"of {made} rooms only {len(found)} fall to node {(of or 0) + 1}")
        return found[:count]

    def reader(self, room: str, at: int, times: str = "delivery") -> Roamer:
        """A person in a room, not connected yet."""
        self._numbers += 1
        check = self._checks.setdefault(room, StreamCheck(Commonroom(durable=True)))
        person = Roamer(self._sites, at, check, room, self._numbers, times=times)
        self.people.append(person)
        return person

    def writer(self, room: str, at: int, gap_s: float) -> Writer:
        """A person who writes there, not connected yet and not started."""
        writer = Writer(self.reader(room, at), gap_s)
        self.writers.append(writer)
        return writer

    def traveller(self, rooms: Sequence[str], at: int) -> Traveller:
        """A person in several rooms, not connected yet."""
        self._numbers += 1
        traveller = Traveller(self._sites, at, rooms, self._numbers)
        self._travellers.append(traveller)
        return traveller

    async def enter(self) -> None:
        """Everybody connects who has not."""
        await _all([person.enter() for person in [*self.people, *self._travellers] if not person.connected])

    def start(self) -> None:
        """All writers begin."""
        keep_quiet()  # what an earlier figure left would be collected amid this one
        for writer in self.writers:
            writer.start()

    # -- the check --------------------------------------------------------------------

    async def answered(self, writers: Iterable[Writer], moment_us: int, patience_s: float) -> list[float]:
        """Milliseconds from a moment to each writer's first acknowledgement of something written after it.

        What has none within the patience is a failure of the run.
        """
        awaited = list(writers)
        await until(lambda: all(writer.first_after(moment_us) is not None for writer in awaited), patience_s)
        found = [found_us / 1000 for writer in awaited if (found_us := writer.first_after(moment_us)) is not None]
        if len(found) < len(awaited):
            self.failures.append(f"{len(awaited) - len(found)} of {len(awaited)} writers had no acknowledgement within {patience_s:g} s")
        return found

    async def check(self) -> list[str]:
        """Stop writing, wait until everything has arrived everywhere, and say what went wrong; empty on a good run."""
        for writer in self.writers:
            writer.stop()
        if not await until(lambda: all(writer.is_done for writer in self.writers), PATIENCE_S):
            self.failures.append(f"{sum(not writer.is_done for writer in self.writers)} messages were never acknowledged")
        sent = self.sent()
        await until(lambda: not any(behind(person, sent) for person in self.people), PATIENCE_S)
        flaws = self.tally.flaws
        flaws.lost += sum(behind(person, sent) for person in self.people)
        for traveller in self._travellers:
            flaws.add(traveller.flaws)
        counts = {name: getattr(flaws, name) for name in ("lost", "duplicated", "reordered", "corrupted")}
        return [*self.failures, *(f"{count} messages {name}" for name, count in counts.items() if count)]

    def sent(self) -> Sent:
        """What every reader of a room must get, up to now."""
        sent: Sent = {}
        for person in self.people:
            if person.sent:
                sent.setdefault(person.room, {})[person.number] = person.sent
        return sent

    def refused(self) -> int:
        """Commands that were refused up to now."""
        return sum(self.tally.refused.values())

    def _crashed(self, name: str, error: BaseException) -> None:
        self.failures.append(f"{name} failed: {type(error).__name__}: {error}")


@asynccontextmanager
async def staged(settings: Mapping[str, str]) -> AsyncIterator[Stage]:
    """A cluster that ends with the block, all of whose nodes have their slots."""
    async with spawned(settings, NODES, own_ports=True) as server:
        stage = Stage(server)
        try:
            await stage.settled()
            yield stage
        finally:
            await stage.close()


async def _all(steps: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Their results in order, some at a time."""
    gate = asyncio.Semaphore(HTTP_AT_ONCE)

    async def one(step: Coroutine[Any, Any, Any]) -> Any:
        async with gate:
            return await step

    return await asyncio.gather(*map(one, steps))
