"""Unknown outcomes: whatever is lost between the lane and PostgreSQL, each event is there exactly once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commonroom.config.settings import PostgresSettings
from commonroom.engine.address import slot_of
from commonroom.errors import Unavailable
from commonroom.ids import new_id, seeded
from commonroom.storage.embedded import EmbeddedPostgres
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import Commit, Committed, Conflicted, Duplicate, NewEvent, Outcome, Rewrite
from commonroom.storage.pool import Database
from commonroom.storage.slot_table import PostgresSlotTable, claim_all
from tests.storage.commits import all_committed
from tests.support.proxy import LossyProxy

TWO_REFUSED = b"SELECT 2"


def event(offset: int, dedup: str | None = None, payload: bytes = b"payload") -> NewEvent:
    return NewEvent(offset, 1000 + offset, dedup, payload)


class Stream:
    """A writer of one stream."""

    def __init__(self, journal: PostgresJournal) -> None:
        self.name = f"room/{new_id(1)}"
        self.slot = slot_of(self.name)
        self._journal = journal

    def append(self, *events: NewEvent, head: int | None = None, rewrites: tuple[Rewrite, ...] = ()) -> "asyncio.Future[Outcome]":
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        head = events[-1].offset if head is None else head
        self._journal.append(Commit(self.name, self.slot, head, events, rewrites=rewrites), settled.set_result)
        return settled

    async def offsets(self) -> list[int]:
        return [one.offset for one in await self._journal.read(self.name, 0, 100_000)]


async def outcomes_of(*settled: "asyncio.Future[Outcome]") -> list[Outcome]:
    return await asyncio.wait_for(asyncio.gather(*settled), 30)


@pytest.fixture
async def lossy(proxy: LossyProxy, database: Database) -> AsyncIterator[PostgresJournal]:
    """A journal whose lane goes through the proxy."""
    journal = PostgresJournal(proxy.dsn, database)
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    yield journal
    await journal.close()


async def test_replies_lost_after_the_commit_leave_each_event_once(lossy: PostgresJournal, proxy: LossyProxy, seed: int) -> None:
    random = seeded(seed)
    proxy.cut = lambda reply: all_committed(reply) and random.random() < 0.5
    stream = Stream(lossy)
    for offset in range(1, 41):
        assert await outcomes_of(stream.append(event(offset, f"c:a:{offset}"))) == [Committed()]
    assert proxy.cuts > 0
    assert await stream.offsets() == list(range(1, 41))


async def test_a_batch_sent_again_gets_the_same_verdicts(lossy: PostgresJournal, proxy: LossyProxy) -> None:
    stream, other = Stream(lossy), Stream(lossy)
    proxy.cut = lambda reply: TWO_REFUSED in reply and proxy.cuts == 0
    settled = [
        stream.append(event(1, "c:a:1")),
        stream.append(event(2, "c:a:1")),
        stream.append(event(3, "c:a:3")),
        other.append(event(1, "c:a:1")),
        other.append(head=1),
    ]
    assert await outcomes_of(*settled) == [Committed(), Duplicate("c:a:1", 1), Conflicted(1), Committed(), Committed()]
    assert proxy.cuts == 1
    assert (await stream.offsets(), await other.offsets()) == ([1], [1])


async def test_a_batch_that_rewrote_an_event_of_its_own_is_recognised(lossy: PostgresJournal, proxy: LossyProxy) -> None:
    stream = Stream(lossy)
    proxy.cut = lambda reply: all_committed(reply) and proxy.cuts == 0
    said = stream.append(event(1, "c:a:1", b"a text"))
    deleted = stream.append(event(2, "c:a:2"), rewrites=(Rewrite(1, b"contentless"),))
    assert await outcomes_of(said, deleted) == [Committed(), Committed()]
    assert proxy.cuts == 1
    assert [one.payload for one in await lossy.read(stream.name, 0, 10)] == [b"contentless", b"payload"]


async def test_a_commit_that_rewrote_its_own_event_is_recognised(lossy: PostgresJournal, proxy: LossyProxy) -> None:
    stream = Stream(lossy)
    proxy.cut = lambda reply: all_committed(reply) and proxy.cuts == 0
    both = stream.append(event(1, "c:a:1", b"a text"), event(2), rewrites=(Rewrite(1, b"contentless"),))
    assert await outcomes_of(both) == [Committed()]
    assert proxy.cuts == 1
    assert [one.payload for one in await lossy.read(stream.name, 0, 10)] == [b"contentless", b"payload"]


async def test_nothing_loads_while_an_outcome_of_its_slot_is_unknown(lossy: PostgresJournal, proxy: LossyProxy) -> None:
    stream = Stream(lossy)
    proxy.cut = lambda reply: all_committed(reply) and proxy.cuts == 0
    proxy.refusing = True  # the lane is connected already; it cannot connect again
    settled = stream.append(event(1, "c:a:1"))
    async with asyncio.timeout(10):
        while lossy.healthy:
            await asyncio.sleep(0)
    loading = asyncio.create_task(lossy.load("room/of-the-same-slot", stream.slot))
    elsewhere = await lossy.load("room/of-another-slot", (stream.slot + 1) % 1024)
    assert elsewhere.head == 0
    assert not loading.done()
    assert not settled.done()
    proxy.refusing = False
    await asyncio.wait_for(loading, 10)
    assert await outcomes_of(settled) == [Committed()]
    assert lossy.healthy


async def test_a_load_that_waits_too_long_is_unavailable(proxy: LossyProxy, database: Database) -> None:
    journal = PostgresJournal(proxy.dsn, database, settings=PostgresSettings(call_timeout_s=0.05))
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    proxy.refusing = True
    proxy.drop()
    stream = Stream(journal)
    settled = stream.append(event(1))
    with pytest.raises(Unavailable, match="no known outcome"):
        await journal.load(stream.name, stream.slot)
    proxy.refusing = False
    assert await outcomes_of(settled) == [Committed()]
    await journal.close()


async def test_a_call_that_outlives_its_deadline_is_sent_again_and_written_once(dsn: str, database: Database) -> None:
    """The backend is stopped with the call unread, and reads it after the lane has sent it again."""
    owner = new_id(1)
    journal = PostgresJournal(dsn, database, owner=owner, settings=PostgresSettings(call_timeout_s=0.3))
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    stream = Stream(journal)
    assert await outcomes_of(stream.append(event(1))) == [Committed()]
    backend = await database.fetchval("SELECT pid FROM pg_stat_activity WHERE application_name = $1", f"commonroom lane {owner}")
    os.kill(backend, signal.SIGSTOP)
    try:
        assert await outcomes_of(stream.append(event(2, "c:a:2"))) == [Committed()]
    finally:
        os.kill(backend, signal.SIGCONT)
    async with asyncio.timeout(10):
        while await database.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend):
            await asyncio.sleep(0)
    assert await stream.offsets() == [1, 2]
    await journal.close()


async def test_a_listener_that_raises_keeps_no_other_from_hearing(dsn: str, database: Database) -> None:
    lines: list[str] = []
    journal = PostgresJournal(dsn, database, on_trouble=lines.append)
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    stream, other = Stream(journal), Stream(journal)

    def broken(outcome: Outcome) -> None:
        raise RuntimeError(type(outcome).__name__)

    journal.append(Commit(stream.name, stream.slot, 1, (event(1),)), broken)
    assert await outcomes_of(other.append(event(1)), stream.append(event(2))) == [Committed(), Committed()]
    assert len(lines) == 1
    await journal.close()


async def test_crashes_of_the_whole_server_lose_and_double_nothing_acknowledged(used_data: Path) -> None:
    """20 writers, the postmaster killed three times among their commits (RELIABILITY R14)."""
    server = EmbeddedPostgres()
    await server.start(used_data)
    database = await Database.open(server.url)
    journal = PostgresJournal(server.url, database)
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "test")
    streams = [Stream(journal) for _ in range(20)]
    acked: dict[str, list[int]] = {stream.name: [] for stream in streams}
    crash_at = {150, 300, 450}

    async def write(stream: Stream) -> None:
        for offset in range(1, 31):
            assert await stream.append(event(offset, f"c:a:{offset}")) == Committed()
            acked[stream.name].append(offset)
            if sum(map(len, acked.values())) in crash_at:
                os.kill(server.pid, signal.SIGQUIT)

    async with asyncio.timeout(60):
        await asyncio.gather(*(write(stream) for stream in streams))
    for stream in streams:
        assert await stream.offsets() == acked[stream.name] == list(range(1, 31))
    await journal.close()
    await database.close()
    await server.stop()
