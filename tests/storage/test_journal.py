"""The journal on a real PostgreSQL: settling, duplicates, unknown outcomes, deletion."""

import asyncio

import pytest

from commonroom.config.settings import PostgresSettings
from commonroom.engine.address import slot_of
from commonroom.ids import new_id
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import Committed, Conflicted, Duplicate, Failed, Fenced, Outcome, Rewrite
from commonroom.storage.pool import Database
from commonroom.storage.slot_table import PostgresSlotTable, claim_all
from tests.storage.commits import commit, event, settle


@pytest.fixture
def stream() -> str:
    return f"room/{new_id(1)}"


async def test_a_commit_is_durable_when_it_settles(journal: PostgresJournal, stream: str) -> None:
    assert await settle(journal, commit(stream, event(1, "c:a:1"), event(2))) == [Committed()]
    stored = await journal.load(stream, slot_of(stream))
    assert (stored.head, [one.offset for one in stored.tail], stored.recent_keys) == (2, [1, 2], [("c:a:1", 1)])


async def test_commits_of_one_turn_settle_in_order_and_in_one_call(journal: PostgresJournal, stream: str) -> None:
    outcomes = await settle(journal, *(commit(stream, event(number, f"c:a:{number}")) for number in range(1, 101)))
    assert outcomes == [Committed()] * 100
    assert [one.offset for one in await journal.read(stream, 0, 1000)] == list(range(1, 101))


async def test_a_known_key_is_reported_as_data_and_nothing_is_inserted(journal: PostgresJournal, stream: str) -> None:
    await settle(journal, commit(stream, event(1, "c:a:1")))
    outcomes = await settle(journal, commit(stream, event(2, "c:a:1")), commit(stream, event(3, "c:a:2")))
    assert outcomes[0] == Duplicate("c:a:1", 1)
    assert isinstance(outcomes[1], Conflicted)  # what was built on the refused one falls with it
    assert len(await journal.read(stream, 0, 10)) == 1


async def test_a_hole_is_a_conflict_that_names_the_head(journal: PostgresJournal, stream: str) -> None:
    await settle(journal, commit(stream, event(1)))
    assert await settle(journal, commit(stream, event(3))) == [Conflicted(1)]


async def test_a_claimed_slot_refuses_its_former_owner(dsn: str, database: Database, journal: PostgresJournal, stream: str) -> None:
    newer = PostgresJournal(dsn, database, owner="newer")
    await newer.open()
    await claim_all(PostgresSlotTable(database), newer, "newer")
    assert await settle(journal, commit(stream, event(1))) == [Fenced(newer.epoch(slot_of(stream)))]
    assert await settle(newer, commit(stream, event(1))) == [Committed()]
    await newer.close()


async def test_a_refused_batch_becomes_durable_in_slot_order(journal: PostgresJournal, stream: str) -> None:
    seen: list[int] = []
    journal.watch(lambda entry, before: seen.extend((before, entry.last_pos)), journal.position)
    slot = slot_of(stream)
    one, other, bad = (f"{stream}-{name}" for name in ("one", "other", "bad"))
    outcomes = await settle(
        journal,
        commit(one, event(1), slot=slot),
        commit(other, event(1), slot=slot),
        commit(bad, event(1, dedup="a NUL \0 cannot be stored"), slot=slot),
        commit(one, event(2), slot=slot),
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["Committed", "Committed", "Failed", "Committed"]
    assert seen == sorted(seen)


async def test_only_the_guilty_stream_of_a_refused_batch_fails(journal: PostgresJournal, stream: str) -> None:
    guilty = f"room/{new_id(1)}"
    bad = commit(guilty, event(1, dedup="a NUL \0 cannot be stored"))
    outcomes = await settle(journal, commit(stream, event(1)), bad, commit(stream, event(2)))
    kinds = sorted(type(outcome).__name__ for outcome in outcomes)
    assert kinds == ["Committed", "Committed", "Failed"]
    assert isinstance((await settle(journal, bad))[0], Failed)


async def test_snapshot_and_due_time_are_of_the_commit_they_came_with(journal: PostgresJournal, stream: str) -> None:
    await settle(journal, commit(stream, event(1), snapshot=b"state at 1", next_due=5000), commit(stream, event(2)))
    stored = await journal.load(stream, slot_of(stream))
    assert (stored.snapshot, stored.snapshot_offset, stored.next_due) == (b"state at 1", 1, 5000)
    assert [one.offset for one in stored.tail] == [2]
    assert (stream, 5000) in await journal.due(5000, 10_000)
    await settle(journal, commit(stream, head=2, next_due=None))
    assert stream not in [due for due, _ in await journal.due(10**15, 10_000)]


async def test_a_rewritten_payload_is_gone_from_the_whole_database(journal: PostgresJournal, database: Database, stream: str) -> None:
    secret = b"a text nobody may read again"
    await settle(journal, commit(stream, event(1, payload=secret), snapshot=secret))
    await settle(journal, commit(stream, event(2), snapshot=b"clean", rewrites=(Rewrite(1, b"contentless"),)))
    assert [one.payload for one in await journal.read(stream, 0, 10)] == [b"contentless", b"payload"]
    for table, column in (("event", "payload"), ("event", "private"), ("actor", "snapshot")):
        found = await database.fetchval(f"SELECT count(*) FROM {table} WHERE position($1 IN {column}) > 0", secret)
        assert found == 0, f"{table}.{column}"


async def test_a_lane_whose_backends_die_writes_every_event_once(journal: PostgresJournal, database: Database, stream: str) -> None:
    """Unknown outcomes: the connection is cut again and again within calls (R19)."""
    total, outcomes = 300, []
    done = asyncio.Event()

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == total:
            done.set()

    async def cut() -> None:
        while not done.is_set():
            await database.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'commonroom lane%'")
            await asyncio.sleep(0.02)

    cutter = asyncio.create_task(cut())
    for number in range(1, total + 1):
        journal.append(commit(stream, event(number, f"c:a:{number}")), told)
        if number % 10 == 0:
            await asyncio.sleep(0.005)
        if number == total // 2:
            cutter.cancel()
    async with asyncio.timeout(30):
        await done.wait()
    assert outcomes == [Committed()] * total
    assert [one.offset for one in await journal.read(stream, 0, 1000)] == list(range(1, total + 1))


async def test_a_full_lane_says_so_before_anything_changes(dsn: str, database: Database, stream: str) -> None:
    journal = PostgresJournal(dsn, database, settings=PostgresSettings(lane_rows=10))
    await journal.open()
    await claim_all(PostgresSlotTable(database), journal, "narrow")
    outcomes: list[Outcome] = []
    for number in range(1, 11):
        journal.append(commit(stream, event(number)), outcomes.append)
    assert not journal.accepts(slot_of(stream))
    async with asyncio.timeout(10):
        while len(outcomes) < 10:
            await asyncio.sleep(0)
    assert journal.accepts(slot_of(stream))
    await journal.close()
