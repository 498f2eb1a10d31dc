"""The kit's Redis and slot table against the real ones: the same seeded calls have the same answers.

Numbers that mean nothing but whether they changed (`version`, `slots_version`) are compared as that.
"""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any, NamedTuple

import pytest

from commonroom.engine.address import SLOTS
from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.port import Coordination, SlotTable
from commonroom.engine.cluster.redis.client import ControlClient
from commonroom.engine.cluster.redis.coordination import RedisCoordination
from commonroom.engine.testing.cluster.network import Conditions, Network
from commonroom.engine.testing.cluster.process import Process
from commonroom.engine.testing.cluster.redis import SimulatedCoordination, SimulatedRedis
from commonroom.engine.testing.cluster.table import SimulatedTable
from commonroom.engine.testing.journal import Faults, Store
from commonroom.ids import seeded
from commonroom.storage.pool import Database
from commonroom.storage.slot_table import PostgresSlotTable, SlotOwner
from tests.engine.cluster.redis.test_coordination import TTL_MS, World
from tests.support.redis import RedisServer, own_redis

__all__ = ["own_redis"]

RUNS = 6
STEPS = 150
NAMES = "abcd"
PACE = 0.0005
"""TTLs beyond each pause of whole tenths, so that no bound is met exactly: real time goes on by itself."""

MOMENT_S = 0.0001
"""What a call takes: versions after a wipe begin at the clock."""


def around() -> tuple[Network, Process]:
    """The simulated way to a server, on the running loop, without delay or loss."""
    network = Network(asyncio.get_running_loop(), seeded("differential"))
    network.conditions = Conditions(delay_s=(0.0, 0.0))
    loop: Any = asyncio.get_running_loop()  # nothing is stopped here: any loop does
    return network, Process(loop, "node")


# -- membership --------------------------------------------------------------------------


class Seen(NamedTuple):
    """What a view says beside numbers."""

    members: tuple[Member, ...]
    quiet: bool
    expelled: bool
    is_new: bool
    slots_moved: bool


class Side:
    """A coordination, and what each node knows by it."""

    def __init__(self, coordination: Coordination) -> None:
        self.coordination = coordination
        self.views = dict.fromkeys(NAMES, View())

    async def beat(self, name: str, member: Member) -> Seen:
        before = self.views[name]
        after = self.views[name] = await self.coordination.beat(member, before)
        members = tuple(sorted(after.members.values(), key=lambda one: one.id))
        return Seen(members, after.quiet, after.expelled, after.version != before.version, after.slots_version != before.slots_version)


class Clock:
    """Time of the simulated store."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def real(own_redis: RedisServer) -> AsyncIterator[World]:
    client = ControlClient(own_redis.url)
    yield World(own_redis, client)
    await client.close()


class Pair:
    """Both stores, and the same done to both."""

    def __init__(self, real: World) -> None:
        self.clock = Clock()
        self.simulated = SimulatedRedis(self.clock, TTL_MS / 1000)
        self.real = real
        self.sides = (Side(SimulatedCoordination(self.simulated, *around())), Side(RedisCoordination(real.client, "test", TTL_MS)))
        self.members = {name: Member(name, name) for name in NAMES}
        self.lives = 0

    async def step(self, random: Random) -> tuple[str, object, object]:
        """Something happens; what, and the two answers."""
        self.clock.now_s += MOMENT_S
        name, other = random.choice(NAMES), random.choice(NAMES)
        simulated, real = self.sides
        match random.choice(("beat",) * 6 + ("elapse",) * 4 + ("leave", "expel", "expel", "note", "wipe", "change", "rebirth")):
            case "elapse":
                self.elapse(random.choice((1, 1, 2, 2, 3, 4, 4, 6, 11, -1)) / 10 + PACE)
                return "elapse", None, None
            case "leave":
                for side in self.sides:
                    await side.coordination.leave(self.members[name].id)
                return f"leave {name}", None, None
            case "expel":
                told = [await side.coordination.expel(self.members[other].id) for side in self.sides]
                return f"expel {other}", told[0], told[1]
            case "note":
                for side in self.sides:
                    await side.coordination.note_slots()
                return "note", None, None
            case "wipe":
                self.simulated.wipe()
                self.real.server.do("FLUSHALL")
                return "wipe", None, None
            case "change":
                self.members[name] = Member(self.members[name].id, name, weight=random.random())
            case "rebirth":
                self.lives += 1
                self.members[name] = Member(f"{name}{self.lives}", name)
        member = self.members[name]
        return f"beat {name}", await simulated.beat(name, member), await real.beat(name, member)

    def elapse(self, ttls: float) -> None:
        self.clock.now_s += ttls * TTL_MS / 1000
        self.real.elapse(ttls)


@pytest.mark.parametrize("run", range(RUNS))
async def test_membership_is_the_same_by_simulation_and_by_redis(real: World, seed: int, run: int) -> None:
    random, pair = Random(f"membership {seed} {run}"), Pair(real)
    said: list[str] = []
    for _ in range(STEPS):
        what, simulated, genuine = await pair.step(random)
        said.append(what)
        assert simulated == genuine, f"after {said}"


# -- the slot table ------------------------------------------------------------------------


async def rows(table: SlotTable) -> list[SlotOwner]:
    return sorted(await table.read(), key=lambda row: row.slot)


@pytest.mark.parametrize("run", range(RUNS))
async def test_the_slot_table_is_the_same_by_simulation_and_by_postgresql(database: Database, seed: int, run: int) -> None:
    random, real = Random(f"table {seed} {run}"), PostgresSlotTable(database)
    store = Store()
    simulated = SimulatedTable(store, *around(), Faults())
    for row in await real.read():
        store.epochs[row.slot], store.owners[row.slot] = row.epoch, row.owner
    for _ in range(STEPS // 5):
        seen = {slot: store.epochs[slot] - (random.random() < 0.2) for slot in random.sample(range(SLOTS), 20)}
        owner = random.choice(("a", "b", None))
        assert await simulated.move(seen, owner) == await real.move(seen, owner)
        assert await rows(simulated) == await rows(real)


async def test_of_competing_moves_each_slot_is_won_once_in_both(database: Database) -> None:
    real, store = PostgresSlotTable(database), Store()
    simulated = SimulatedTable(store, *around(), Faults())
    for row in await real.read():
        store.epochs[row.slot], store.owners[row.slot] = row.epoch, row.owner
    seen = dict(list(store.epochs.items())[:64])
    after: list[dict[int, int]] = []
    for table in (simulated, real):
        won = await asyncio.gather(*(table.move(seen, name) for name in NAMES))
        assert sorted(slot for each in won for slot in each) == sorted(seen)
        for name, each in zip(NAMES, won, strict=True):
            assert all(row.owner == name for row in await rows(table) if row.slot in each)
        after.append({row.slot: row.epoch for row in await rows(table)})
    assert after[0] == after[1]
