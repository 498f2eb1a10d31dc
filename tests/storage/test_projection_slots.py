"""Projections of slots that come and go: each event is applied once, whoever owns its slot."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from random import Random

import pytest

from commonroom.identity import Principal
from commonroom.ids import new_id, seeded
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.codec import EVENT_TAGS, encode_event
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import Commit, Committed, NewEvent, Outcome
from commonroom.storage.pool import Connection, Database
from commonroom.storage.projection import follower
from commonroom.storage.projection.projection import Projection, SlotEvent
from commonroom.storage.projection.runner import ProjectionRunner
from commonroom.storage.slot_table import PostgresSlotTable
from tests.storage.test_projection import Moody

ADA = Principal("guest", "ada")
SEEN = "INSERT INTO checkpoint (projection, slot, slot_pos) SELECT $1, slot, max(slot_pos) FROM event GROUP BY slot"
"""What other tests wrote to the slots of these is behind us."""


class Diary:
    """Writes down what it is shown, in order; waits for `gate` within its transaction."""

    wants = EVENT_TAGS

    def __init__(self, name: str) -> None:
        self.name = name
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        self.entered.set()
        await self.gate.wait()
        rows = [(event.stream, event.event.offset) for event in events]
        await connection.executemany(f"INSERT INTO {self.name} (stream, nth) VALUES ($1, $2)", rows)


class Stream:
    """A stream of a slot; whoever owns the slot appends to it."""

    def __init__(self, slot: int) -> None:
        self.name = f"room/{new_id(1)}"
        self.slot = slot
        self.head = 0

    def next(self) -> Commit:
        self.head += 1
        event = MessageCreate(self.name, self.head, self.head, ADA, "n", "text")
        return Commit(self.name, self.slot, self.head, (NewEvent(self.head, self.head, None, encode_event(event)),))


class Node:
    """A journal and a runner over the common database."""

    def __init__(self, dsn: str, database: Database, projection: Projection) -> None:
        self.lines: list[str] = []
        self.journal = PostgresJournal(dsn, database)
        self.runner = ProjectionRunner(database, self.journal, (projection,), self.lines.append)
        self._table = PostgresSlotTable(database)

    async def take(self, *slots: int) -> None:
        """Claim, then open."""
        seen = {row.slot: row.epoch for row in await self._table.read() if row.slot in slots}
        await self.journal.open_slots(await self._table.move(seen, "somebody"))
        await self.runner.open_slots(slots)

    async def give_up(self, *slots: int) -> None:
        assert await self.journal.close_slots(slots, 10) == set(slots)
        await self.runner.close_slots(slots)

    async def append(self, *streams: Stream) -> None:
        """An event for each, in one turn."""
        settled: list[asyncio.Future[Outcome]] = []
        for stream in streams:
            settled.append(asyncio.get_running_loop().create_future())
            self.journal.append(stream.next(), settled[-1].set_result)
        assert await asyncio.wait_for(asyncio.gather(*settled), 20) == [Committed()] * len(streams)

    async def caught_up(self) -> None:
        async with asyncio.timeout(30):
            await self.runner.caught_up()


class World:
    """Nodes over one database, one diary table."""

    def __init__(self, dsn: str, database: Database) -> None:
        self.database = database
        self.diary = f"diary_{new_id(1)}"
        self.parts = AsyncExitStack()
        self._dsn = dsn

    async def node(self, projection: Projection | None = None) -> Node:
        node = Node(self._dsn, self.database, projection or Diary(self.diary))
        await node.journal.open()
        self.parts.push_async_callback(node.journal.close)
        await node.runner.start()
        self.parts.push_async_callback(node.runner.close)
        return node

    async def applied(self, stream: Stream) -> list[int]:
        rows = await self.database.fetch(f"SELECT nth FROM {self.diary} WHERE stream = $1 ORDER BY id", stream.name)
        return [row["nth"] for row in rows]


@pytest.fixture
async def world(dsn: str, database: Database) -> AsyncIterator[World]:
    world = World(dsn, database)
    await database.execute(f"CREATE TABLE {world.diary} (id bigserial, stream text, nth bigint)")
    await database.execute(SEEN, world.diary)
    async with world.parts:
        yield world
    await database.execute(f"DROP TABLE {world.diary}")


async def test_a_slot_that_comes_back_goes_on_where_another_left_it(world: World) -> None:
    nodes = [await world.node(), await world.node()]
    stream = Stream(100)
    for turn in range(4):
        node = nodes[turn % 2]
        await node.take(stream.slot)
        for _ in range(3):
            await node.append(stream)
        await node.caught_up()
        await node.give_up(stream.slot)
    assert await world.applied(stream) == list(range(1, 13))
    assert [node.lines for node in nodes] == [[], []]


async def test_what_one_left_unapplied_the_next_applies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await world.node(), await world.node()
    stream = Stream(101)
    await first.take(stream.slot)
    goes_on = asyncio.Event()
    with monkeypatch.context() as patch:
        patch.setattr(follower, "pause", lambda _s: goes_on.wait())
        await first.append(stream)
        await first.give_up(stream.slot)
    goes_on.set()
    await first.caught_up()
    assert await world.applied(stream) == []
    assert first.lines == []
    await second.take(stream.slot)
    await second.caught_up()
    assert await world.applied(stream) == [1]


async def test_two_that_fight_over_slots_apply_each_event_once_and_in_order(world: World, seed: int) -> None:
    """Neither is told that it lost them: both work on all slots to the end."""
    random = seeded(seed)
    nodes = [await world.node(), await world.node()]
    streams = [Stream(slot) for slot in range(110, 118)]
    for turn in range(12):
        owner = nodes[turn % 2]
        await owner.take(*(stream.slot for stream in streams))
        await _write(owner, streams, random)
        await _look(nodes, streams, random)
    for node in nodes:
        await _look([node], streams, None)
        await node.caught_up()
    for stream in streams:
        assert await world.applied(stream) == list(range(1, stream.head + 1))


async def _write(owner: Node, streams: Sequence[Stream], random: Random) -> None:
    for _ in range(random.randrange(1, 6)):
        await owner.append(*random.sample(streams, random.randrange(1, len(streams))))


async def _look(nodes: Sequence[Node], streams: Sequence[Stream], random: Random | None) -> None:
    """Wake them, and sometimes wait."""
    for node in nodes:
        for stream in streams:
            node.runner.wake(stream.slot)
        if random is not None and random.random() < 0.5:
            await node.caught_up()


async def test_a_journal_that_lost_and_won_a_slot_unnoticed_skips_nothing(world: World) -> None:
    """The runner hears of neither: what others wrote in between is not in its memory, and it knows."""
    unaware, other = await world.node(), await world.node()
    stream = Stream(120)
    table = PostgresSlotTable(world.database)
    await unaware.take(stream.slot)
    await unaware.append(stream)
    await unaware.caught_up()
    await other.take(stream.slot)
    await other.append(stream)
    other.runner.drop_slots([stream.slot])
    seen = {row.slot: row.epoch for row in await table.read() if row.slot == stream.slot}
    await unaware.journal.open_slots(await table.move(seen, "unaware"))
    await unaware.append(stream)
    await unaware.caught_up()
    assert await world.applied(stream) == [1, 2, 3]


async def test_a_round_that_finds_a_dropped_slot_moved_keeps_the_others_going(world: World, dsn: str) -> None:
    losing, winning = await world.node(), await world.node()
    kept, lost = Stream(130), Stream(131)
    await losing.take(kept.slot, lost.slot)
    async with world.database.transaction() as holder:
        await holder.execute("SELECT FROM checkpoint WHERE projection = $1 AND slot = $2 FOR UPDATE", world.diary, kept.slot)
        await losing.append(kept, lost)
        async with asyncio.timeout(10):
            while not await holder.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"):
                await asyncio.sleep(0)
        losing.journal.drop_slots([lost.slot])
        losing.runner.drop_slots([lost.slot])
        await winning.take(lost.slot)
        await winning.caught_up()
    await losing.caught_up()
    assert [await world.applied(stream) for stream in (kept, lost)] == [[1], [1]]
    assert losing.runner.position(lost.slot) == 0
    await losing.append(kept)
    await winning.append(lost)
    await asyncio.gather(losing.caught_up(), winning.caught_up())
    assert [await world.applied(stream) for stream in (kept, lost)] == [[1, 2], [1, 2]]
    assert losing.lines == []


async def test_closing_waits_for_a_transaction_that_touches_the_slot_and_for_no_other(world: World) -> None:
    diary = Diary(world.diary)
    node = await world.node(diary)
    stream, other = Stream(140), Stream(141)
    await node.take(stream.slot, other.slot)
    diary.gate.clear()
    await node.append(stream)
    await asyncio.wait_for(diary.entered.wait(), 10)
    await asyncio.wait_for(node.runner.close_slots([other.slot]), 10)
    closing = asyncio.create_task(node.runner.close_slots([stream.slot]))
    assert await world.applied(stream) == []
    assert not closing.done()
    diary.gate.set()
    await asyncio.wait_for(closing, 10)
    assert await world.applied(stream) == [1]
    await node.append(stream, other)
    await node.caught_up()
    assert [await world.applied(one) for one in (stream, other)] == [[1], []]


async def test_a_slot_dropped_within_a_round_is_not_put_back(world: World) -> None:
    diary = Diary(world.diary)
    node = await world.node(diary)
    stream = Stream(145)
    await node.take(stream.slot)
    diary.gate.clear()
    await node.append(stream)
    await asyncio.wait_for(diary.entered.wait(), 10)
    node.runner.drop_slots([stream.slot])
    diary.gate.set()
    await node.caught_up()
    assert (node.runner.position(stream.slot), node.lines) == (0, [])
    await node.append(stream)
    assert node.runner.queued_slots == 0


async def test_the_lag_is_that_of_the_slot_that_is_furthest_behind(world: World) -> None:
    diary = Diary(world.diary)
    node = await world.node(diary)
    assert node.runner.lag_events == 0
    stream, other = Stream(150), Stream(151)
    await node.take(stream.slot, other.slot)
    await node.caught_up()
    diary.gate.clear()
    await node.append(stream, other)
    await node.append(stream)
    assert node.runner.lag_events == 2
    diary.gate.set()
    await node.caught_up()
    assert node.runner.lag_events == 0


async def test_a_slot_dropped_while_it_opens_stays_closed(world: World) -> None:
    node = await world.node()
    stream = Stream(155)
    await node.take(stream.slot)
    opening = asyncio.create_task(node.runner.open_slots([stream.slot]))
    await asyncio.sleep(0)
    node.runner.drop_slots([stream.slot])
    await opening
    await node.append(stream)
    assert node.runner.queued_slots == 0


async def test_a_slot_that_the_journal_has_lost_does_not_open(world: World) -> None:
    node = await world.node()
    await node.runner.open_slots([160])
    node.runner.wake(160)
    assert node.runner.queued_slots == 0
    assert node.runner.lag_events == 0


async def test_a_stream_parked_by_one_and_tried_again_by_another_is_not_passed_over(world: World) -> None:
    """The older version still works on the slot, and must not believe that the stream is parked."""
    stream = Stream(165)
    older, newer = Moody(stream.name, knows=False), Moody(stream.name, knows=True)
    before, after = await world.node(older), await world.node(newer)
    await before.take(stream.slot)
    await before.append(stream)
    await before.caught_up()
    seen: list[list[int]] = []
    for _ in range(2):
        await after.take(stream.slot)
        await after.caught_up()
        seen.append(list(newer.seen))
        await before.take(stream.slot)
        await before.append(stream)
        await before.caught_up()
    assert seen == [[1], [1, 2]]


async def test_a_parked_stream_is_tried_again_by_one_of_two(world: World) -> None:
    stream = Stream(170)
    node = await world.node()
    await node.take(stream.slot)
    await park(world, node, stream)
    await node.give_up(stream.slot)
    diaries = [Diary(world.diary) for _ in range(2)]
    one, other = [await world.node(diary) for diary in diaries]
    for each in (one, other):
        await each.journal.open_slots({stream.slot: 1})
    diaries[0].gate.clear()
    opening = asyncio.create_task(one.runner.open_slots([stream.slot]))
    await asyncio.wait_for(diaries[0].entered.wait(), 10)
    waiting = asyncio.create_task(other.runner.open_slots([stream.slot]))
    async with asyncio.timeout(5):
        while not await world.database.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_blocking_pids(pid) <> '{}')"):
            await asyncio.sleep(0)
    diaries[0].gate.set()
    await asyncio.wait_for(asyncio.gather(opening, waiting), 10)
    await asyncio.gather(one.caught_up(), other.caught_up())
    assert await world.applied(stream) == [1]
    assert not diaries[1].entered.is_set()


async def test_what_follows_in_a_parked_stream_waits_with_it(world: World) -> None:
    stream = Stream(175)
    node, newer = await world.node(), await world.node()
    await node.take(stream.slot)
    await park(world, node, stream)
    await node.append(stream)
    await node.caught_up()
    assert await world.applied(stream) == []
    await newer.take(stream.slot)
    await newer.caught_up()
    assert await world.applied(stream) == [1, 2]


async def park(world: World, node: Node, stream: Stream) -> None:
    """The stream's first event cannot be written down, until this has returned."""
    await world.database.execute(f"ALTER TABLE {world.diary} ADD CHECK (stream <> '{stream.name}')")
    await node.append(stream)
    await node.caught_up()
    await world.database.execute(f"ALTER TABLE {world.diary} DROP CONSTRAINT {world.diary}_stream_check")
    assert await world.database.fetchval("SELECT count(*) FROM parked WHERE stream = $1", stream.name) == 1
