"""The same for the parts on real servers, which the simulation replaces.

| mutant | caught by the scene |
|---|---|
| no row lock, FOR KEY SHARE | `a_write_and_a_claim` (as `tests/storage/test_fence.py`) |
| two calls in flight on a lane | `a_lane_that_waits` |
| reload while an outcome is unknown | `a_load_beside_an_unknown_outcome` (as `tests/storage/test_outcome.py`) |
| projection moved without its rows | `a_projection_that_fails_once` (as `tests/storage/test_projection_slots.py`) |
| listener not restarted | `a_subscription_is_killed` (as `tests/engine/cluster/redis/test_transport.py`) |

Each scene is played twice: as it is, and with its mutant.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from commonroom.engine.cluster.redis.listener import Listener
from commonroom.engine.cluster.redis.transport import RedisTransport
from commonroom.ids import new_id
from commonroom.protocol.codec import EVENT_TAGS
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.lane import Lane
from commonroom.storage.journal.port import Commit, Committed, Outcome, Settle
from commonroom.storage.pool import Connection, Database, connect
from commonroom.storage.projection import follower
from commonroom.storage.projection.checkpoint import move
from commonroom.storage.projection.projection import SlotEvent
from commonroom.storage.projection.runner import ProjectionRunner
from commonroom.storage.slot_table import PostgresSlotTable, claim_all
from tests.storage.commits import all_committed, commit, event
from tests.storage.test_fence import append, claim
from tests.storage.test_projection import Writer
from tests.support.blocked import WAITING
from tests.support.postgres import TEMPLATE, create_database
from tests.support.proxy import LossyProxy
from tests.support.redis import RedisServer, own_redis

__all__ = ["own_redis"]

SLOT = 700
TURNS = 2000
"""Round trips to the database, about half a second: more than what is not held up takes, a slow disk included."""


@pytest.fixture
async def dsn(dsn: str) -> str:
    """A database of each test's own: some change its functions, and no event of another may be in the way."""
    template = re.sub(r"/\w+\?", f"/{TEMPLATE}?", dsn)
    return await create_database(template, f"mutant_{new_id(1)}")


# -- the fence ---------------------------------------------------------------------------


async def a_write_and_a_claim(dsn: str) -> None:
    """The claim waits for the write."""
    writer, claimer, witness = [await connect(dsn) for _ in range(3)]
    try:
        (epoch,) = await claim(writer, "a", SLOT)
        transaction = writer.transaction()
        await transaction.start()
        assert await append(writer, (f"room/{new_id(1)}", SLOT, epoch, 1, 10**9)) == []
        claiming = asyncio.create_task(claim(claimer, "b", SLOT))
        while not claiming.done() and not await witness.fetchval("SELECT pg_blocking_pids($1)", claimer.get_server_pid()):
            await asyncio.sleep(0)
        overtook = claiming.done()
        await transaction.rollback()
        await claiming
        assert not overtook, "a claim committed beside a write of the epoch before"
    finally:
        for connection in (writer, claimer, witness):
            connection.terminate()


async def test_a_claim_waits_for_a_write(dsn: str) -> None:
    await a_write_and_a_claim(dsn)


@pytest.mark.parametrize("weaker", ["", "FOR KEY SHARE"], ids=["no row lock", "FOR KEY SHARE"])
async def test_a_weaker_lock_is_caught(dsn: str, database: Database, weaker: str) -> None:
    names = ("journal_append", "journal_extend")
    texts: Sequence[str] = [await database.fetchval("SELECT pg_get_functiondef($1::regproc)", name) for name in names]
    assert all("FOR NO KEY UPDATE" in text for text in texts)
    for text in texts:
        await database.execute(text.replace("FOR NO KEY UPDATE", weaker))
    with pytest.raises(AssertionError, match="beside a write"):
        await a_write_and_a_claim(dsn)


# -- the lane ----------------------------------------------------------------------------


async def a_lane_that_waits(dsn: str, database: Database, journal: PostgresJournal) -> None:
    """A call that waits for a lock keeps the next one from being sent."""
    blocker = await connect(dsn)
    held, free = _of_slots(journal, 2)
    settled: list[str] = []
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT FROM slot WHERE slot_id = $1 FOR UPDATE", held.slot)
    journal.append(held, _note(settled, "held"))
    async with asyncio.timeout(10):
        while not await database.fetchval(WAITING):
            await asyncio.sleep(0)
    journal.append(free, _note(settled, "free"))
    for _ in range(TURNS):
        if settled:
            break
        await database.fetchval("SELECT 1")
    early = list(settled)
    await transaction.rollback()
    blocker.terminate()
    async with asyncio.timeout(10):
        while len(settled) < 2:
            await asyncio.sleep(0)
    assert not early, f"a second call was in flight: {early} settled while the first one waited"


async def test_a_lane_has_one_call_in_flight(dsn: str, database: Database, journal: PostgresJournal) -> None:
    await a_lane_that_waits(dsn, database, journal)


async def test_two_calls_in_flight_are_caught(dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(lane: Lane) -> None:
        while True:
            await lane._work.wait()
            lane._work.clear()
            if batch := lane._take():
                lane._tasks.start("call", lane._settle(batch))

    async def call(_lane: Lane, query: str, values: Sequence[object]) -> object:
        return await ready.pop().fetch(query, *values)

    monkeypatch.setattr(Lane, "_run", run)
    monkeypatch.setattr(Lane, "_call", call)
    journal = PostgresJournal(dsn, database)
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    connections = [await connect(dsn) for _ in range(4)]  # two calls a commit, at most
    ready = list(connections)
    with pytest.raises(AssertionError, match="in flight"):
        await a_lane_that_waits(dsn, database, journal)
    await journal.close()
    for connection in connections:
        connection.terminate()


# -- an unknown outcome --------------------------------------------------------------------


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(dsn) as proxy:
        yield proxy


@pytest.fixture
async def lossy(proxy: LossyProxy, database: Database) -> AsyncIterator[PostgresJournal]:
    journal = PostgresJournal(proxy.dsn, database)
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    yield journal
    await journal.close()


async def a_load_beside_an_unknown_outcome(lossy: PostgresJournal, proxy: LossyProxy, database: Database) -> None:
    """The reply to a commit is lost: nothing of its slot is read before it is known."""
    (written,) = _of_slots(lossy, 1)
    settled: list[str] = []
    proxy.cut = lambda reply: all_committed(reply) and proxy.cuts == 0
    proxy.refusing = True
    lossy.append(written, _note(settled, "written"))
    async with asyncio.timeout(10):
        while lossy.healthy:
            await asyncio.sleep(0)
    loading = asyncio.create_task(lossy.load("room/of-the-same-slot", written.slot))
    for _ in range(TURNS):
        await database.fetchval("SELECT 1")
    early = loading.done()
    proxy.refusing = False
    async with asyncio.timeout(10):
        await loading
        while not settled:
            await asyncio.sleep(0)
    assert not early, "an actor was loaded beside an unknown outcome"


async def test_nothing_loads_beside_an_unknown_outcome(lossy: PostgresJournal, proxy: LossyProxy, database: Database) -> None:
    await a_load_beside_an_unknown_outcome(lossy, proxy, database)


async def test_a_load_beside_an_unknown_outcome_is_caught(
    lossy: PostgresJournal, proxy: LossyProxy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settled(_lane: Lane, _stream: str, _slot: int) -> None:
        return None

    monkeypatch.setattr(Lane, "settled", settled)
    with pytest.raises(AssertionError, match="unknown outcome"):
        await a_load_beside_an_unknown_outcome(lossy, proxy, database)


# -- projections ---------------------------------------------------------------------------


class Forgetful:
    """Loses its connection in the middle of the first round, as a server that restarts would have it."""

    wants = EVENT_TAGS

    def __init__(self, name: str) -> None:
        self.name = name
        self.rounds = 0

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        self.rounds += 1
        await connection.executemany(f"INSERT INTO {self.name} (stream) VALUES ($1)", [(one.stream,) for one in events])
        if self.rounds == 1:
            connection.terminate()


async def a_projection_that_fails_once(database: Database, journal: PostgresJournal) -> None:
    """Its rows and its checkpoint stand or fall together."""
    name = f"forgetful_{new_id(1)}"
    await database.execute(f"CREATE TABLE {name} (stream text)")
    projection = Forgetful(name)
    runner = ProjectionRunner(database, journal, (projection,), _ignore)
    await runner.start()
    writer = Writer(journal)
    await writer.say("to be projected")
    async with asyncio.timeout(20):
        while not projection.rounds:
            await asyncio.sleep(0)
        await runner.caught_up()
    await runner.close()
    rows = await database.fetch(f"SELECT stream FROM {name} WHERE stream = $1", writer.stream)
    await database.execute(f"DROP TABLE {name}")
    assert len(rows) == 1, f"the projection went on with {len(rows)} rows of the event"


async def test_a_projection_moves_with_its_rows(database: Database, journal: PostgresJournal) -> None:
    await a_projection_that_fails_once(database, journal)


async def test_a_projection_moved_without_its_rows_is_caught(
    database: Database, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def move_alone(_connection: Connection, projection: str, before: Mapping[int, int], after: Mapping[int, int]) -> None:
        async with database.transaction() as other:
            await move(other, projection, before, after)

    monkeypatch.setattr(follower, "move", move_alone)
    with pytest.raises(AssertionError, match="went on with 0 rows"):
        await a_projection_that_fails_once(database, journal)


# -- the listener --------------------------------------------------------------------------


class Ear:
    """Hears that it missed something."""

    def __init__(self) -> None:
        self.again = asyncio.Event()

    def received(self, data: bytes) -> None:
        """Nobody speaks."""

    def interrupted(self) -> None:
        self.again.set()

    def nudged(self) -> None:
        """Nobody nudges."""


async def a_subscription_is_killed(server: RedisServer, patience_s: float) -> None:
    """It is made again, and its user hears of that."""
    transport, ear = RedisTransport(server.url, "mutant"), Ear()
    await transport.open("a", ear)
    try:
        server.do("CLIENT", "KILL", "TYPE", "pubsub")
        async with asyncio.timeout(patience_s):
            await ear.again.wait()
    finally:
        await transport.close()


async def test_a_listener_is_restarted(own_redis: RedisServer) -> None:
    await a_subscription_is_killed(own_redis, 20.0)


async def test_a_listener_that_is_not_restarted_is_caught(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listener, "_keep_subscribed", Listener._watch)
    with pytest.raises(TimeoutError):
        await a_subscription_is_killed(own_redis, 2.0)


# -- small parts -----------------------------------------------------------------------------


def _of_slots(journal: PostgresJournal, count: int) -> list[Commit]:
    """The first commits of new streams, of different slots of one lane."""
    found: dict[int, Commit] = {}
    while len(found) < count:
        first = commit(f"room/{new_id(1)}", event(1))
        found[first.slot] = first
    assert journal.slots
    return list(found.values())


def _note(settled: list[str], name: str) -> Settle:
    def note(outcome: Outcome) -> None:
        assert outcome == Committed()
        settled.append(name)

    return note


def _ignore(_line: str) -> None:
    """Troubles are what these tests make."""
