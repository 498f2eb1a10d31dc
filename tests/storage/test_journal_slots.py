"""Slots that come and go while the journal runs: what is open takes commits, what is not refuses them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from commonroom.engine.address import slot_of
from commonroom.errors import Unavailable
from commonroom.ids import new_id
from commonroom.storage.journal.batch import Entry
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.lane import Lane
from commonroom.storage.journal.port import Committed, Fenced, Outcome
from commonroom.storage.pool import Database, Record
from commonroom.storage.slot_table import PostgresSlotTable
from tests.storage.commits import all_committed, commit, event, settle
from tests.support.proxy import LossyProxy

Make = Callable[..., Awaitable[PostgresJournal]]


class Slots:
    """The slot table, by what a test does with it."""

    def __init__(self, database: Database) -> None:
        self._table = PostgresSlotTable(database)

    async def take(self, owner: str, *slots: int) -> dict[int, int]:
        seen = {row.slot: row.epoch for row in await self._table.read() if row.slot in slots}
        return await self._table.move(seen, owner)


@pytest.fixture
def slots(database: Database) -> Slots:
    return Slots(database)


@pytest.fixture
async def make(dsn: str, database: Database) -> AsyncIterator[Make]:
    """Opens journals that own nothing."""
    made: list[PostgresJournal] = []

    async def one(at: str = dsn, **more: object) -> PostgresJournal:
        journal = PostgresJournal(at, database, **more)  # type: ignore[arg-type]
        await journal.open()
        made.append(journal)
        return journal

    yield one
    for journal in made:
        await journal.close()


@pytest.fixture
def stream() -> str:
    return f"room/{new_id(1)}"


@pytest.fixture
def slot(stream: str) -> int:
    return slot_of(stream)


async def test_a_new_journal_owns_nothing(make: Make, stream: str, slot: int) -> None:
    journal = await make()
    assert journal.history > 0
    assert list(journal.slots) == []
    assert not journal.accepts(slot)
    assert list(await journal.due(10**15, 10)) == []
    with pytest.raises(Unavailable, match="not open"):
        await journal.load(stream, slot)


async def test_a_commit_to_a_slot_that_is_not_open_is_fenced(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    epoch = (await slots.take("somebody else", slot))[slot]
    assert await settle(journal, commit(stream, event(1))) == [Fenced(epoch)]
    assert list(await journal.read(stream, 0, 10)) == []
    assert journal.fenced == 1


async def test_it_is_fenced_behind_the_earlier_commits_of_its_stream(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    await journal.open_slots(epochs := await slots.take("a", slot))
    told: list[Outcome] = []
    journal.append(commit(stream, event(1)), told.append)
    journal.drop_slots([slot])
    assert await settle(journal, commit(stream, event(2))) == [Fenced(epochs[slot])]
    assert told == [Committed()]


async def test_a_successor_goes_on_behind_the_last_event(make: Make, slots: Slots, stream: str, slot: int) -> None:
    first, second = await make(), await make()
    await first.open_slots(await slots.take("first", slot))
    await settle(first, commit(stream, event(1)), commit(stream, event(2)))
    position = first.position(slot)
    assert await first.close_slots([slot], 10) == {slot}
    await second.open_slots(await slots.take("second", slot))
    assert second.position(slot) == position
    assert await settle(second, commit(stream, event(3))) == [Committed()]
    assert [one.offset for one in await second.read(stream, 0, 10)] == [1, 2, 3]
    assert not first.accepts(slot)


async def test_closing_waits_for_what_is_queued(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    other = (slot + 1) % 1024
    await journal.open_slots(await slots.take("a", slot, other))
    told: list[Outcome] = []
    for number in range(1, 1201):  # more than one call
        journal.append(commit(stream, event(number)), told.append)
    assert await journal.close_slots([slot], 20) == {slot}
    assert told == [Committed()] * 1200
    assert list(journal.slots) == [other]
    assert journal.accepts(other)


async def test_closing_one_slot_does_not_wait_for_another(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    other = (slot + 1) % 1024
    await journal.open_slots(await slots.take("a", slot, other))
    told: list[Outcome] = []
    for number in range(1, 1001):
        journal.append(commit(stream, event(number)), told.append)
    assert await journal.close_slots([other], 20) == {other}
    assert told == []


async def test_a_slot_with_an_unknown_outcome_does_not_close(make: Make, slots: Slots, proxy: LossyProxy, stream: str, slot: int) -> None:
    journal = await make(proxy.dsn)
    other = (slot + 1) % 1024
    await journal.open_slots(await slots.take("a", slot, other))
    proxy.refusing = True
    proxy.drop()
    told: list[Outcome] = []
    journal.append(commit(stream, event(1)), told.append)
    assert await journal.close_slots([slot, other], 0.05) == {other}
    assert list(journal.slots) == [slot]
    assert told == []
    proxy.refusing = False
    assert await journal.close_slots([slot], 10) == {slot}
    assert told == [Committed()]


async def test_an_unknown_outcome_of_a_slot_lost_meanwhile_is_fenced(
    make: Make, slots: Slots, proxy: LossyProxy, stream: str, slot: int
) -> None:
    """It does stand in the journal: whoever reloads sees it, and a retry is a duplicate."""
    journal = await make(proxy.dsn)
    await journal.open_slots(await slots.take("a", slot))
    proxy.cut = lambda reply: all_committed(reply) and proxy.cuts == 0
    proxy.refusing = True
    told: list[Outcome] = []
    journal.append(commit(stream, event(1)), told.append)
    async with asyncio.timeout(10):
        while journal.healthy:
            await asyncio.sleep(0)
    await slots.take("b", slot)
    journal.drop_slots([slot])
    again = await slots.take("a", slot)
    await journal.open_slots(again)
    position = journal.position(slot)
    proxy.refusing = False
    assert (await journal.load(stream, slot)).head == 1
    assert told == [Fenced(again[slot])]
    assert journal.position(slot) == position
    assert await settle(journal, commit(stream, event(2))) == [Committed()]


async def test_a_slot_dropped_while_commits_settle_takes_no_part_any_more(make: Make, slots: Slots, stream: str, slot: int) -> None:
    lines: list[str] = []
    journal = await make(on_trouble=lines.append)
    await journal.open_slots(await slots.take("a", slot))
    seen: list[int] = []
    journal.watch(lambda entry, _before: seen.append(entry.commit.head), lambda _slot: 0)
    journal.append(commit(stream, event(1)), lambda _outcome: journal.drop_slots([slot]))
    assert await settle(journal, commit(stream, event(2))) == [Committed()]
    assert (seen, lines) == ([1], [])


async def test_an_answer_that_comes_after_a_slot_was_lost_and_won_moves_no_position(
    make: Make, slots: Slots, stream: str, slot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, other = await make(), await make()
    await journal.open_slots(await slots.take("a", slot))
    heard, send = asyncio.Event(), Lane._send

    async def slow(lane: Lane, batch: Sequence[Entry]) -> list[Record]:
        answer = await send(lane, batch)
        await heard.wait()
        return answer

    monkeypatch.setattr(Lane, "_send", slow)
    told: list[Outcome] = []
    journal.append(commit(stream, event(1)), told.append)
    async with asyncio.timeout(10):
        while not await journal.read(stream, 0, 1):
            await asyncio.sleep(0)
    monkeypatch.setattr(Lane, "_send", send)
    await other.open_slots(await slots.take("b", slot))
    assert await settle(other, commit(stream, event(2))) == [Committed()]
    journal.drop_slots([slot])
    await journal.open_slots(await slots.take("a", slot))
    heard.set()
    assert (await journal.load(stream, slot)).head == 2  # waits until the first has settled
    assert told == [Committed()]
    assert journal.position(slot) == other.position(slot)


async def test_a_slot_opened_at_a_higher_epoch_goes_on_there(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    await journal.open_slots(await slots.take("a", slot))
    assert await settle(journal, commit(stream, event(1))) == [Committed()]
    newer = await slots.take("a", slot)
    assert await settle(journal, commit(stream, event(2))) == [Fenced(newer[slot])]
    await journal.open_slots(newer)
    assert journal.epoch(slot) == newer[slot]
    assert await settle(journal, commit(stream, event(2))) == [Committed()]


async def test_opening_a_slot_twice_changes_nothing(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    await journal.open_slots(epochs := await slots.take("a", slot))
    told: list[Outcome] = []
    for number in (1, 2, 3):
        journal.append(commit(stream, event(number)), told.append)
    await journal.open_slots(epochs)
    assert await settle(journal, commit(stream, event(4))) == [Committed()]
    assert told == [Committed()] * 3


async def test_a_slot_dropped_while_it_opens_stays_closed(make: Make, slots: Slots, slot: int) -> None:
    journal = await make()
    opening = asyncio.create_task(journal.open_slots(await slots.take("a", slot)))
    await asyncio.sleep(0)
    journal.drop_slots([slot])
    await opening
    assert list(journal.slots) == []


async def test_what_was_loaded_before_a_slot_was_lost_is_not_shown(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    await journal.open_slots(await slots.take("a", slot))
    loading = asyncio.create_task(journal.load(stream, slot))
    await asyncio.sleep(0)
    journal.drop_slots([slot])
    await journal.open_slots(await slots.take("a", slot))
    with pytest.raises(Unavailable, match="not open"):
        await loading


async def test_only_actors_of_open_slots_are_due(make: Make, slots: Slots, stream: str, slot: int) -> None:
    journal = await make()
    other = (slot + 1) % 1024
    ours = f"{stream}-b"
    await journal.open_slots(await slots.take("a", slot, other))
    await settle(journal, commit(stream, event(1), next_due=5), commit(ours, event(1), slot=other, next_due=6))
    due = {name for name, _ in await journal.due(6, 10_000)}
    assert {stream, ours} <= due
    assert [name for name, _ in await journal.due(6, 10_000, [slot]) if name in {stream, ours}] == [stream]
    journal.drop_slots([slot])
    assert stream not in {name for name, _ in await journal.due(6, 10_000)}
    assert list(await journal.due(6, 10_000, [slot])) == []


async def test_every_slot_opens_in_one_statement(make: Make, database: Database, slots: Slots) -> None:
    journal = await make()
    epochs = await slots.take("a", *range(1024))
    before = database.statements
    await journal.open_slots(epochs)
    assert database.statements == before + 1
    assert set(journal.slots) == set(range(1024))
