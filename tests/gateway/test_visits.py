"""Visits told by admissions: written late and together, bounded, whatever becomes of the database (FEATURES P19)."""

import asyncio

import pytest

from commonroom.clock import Millis
from commonroom.engine.gateway import lazy, visits
from commonroom.engine.gateway.visits import VisitLog
from commonroom.errors import InternalError, Unavailable
from commonroom.identity import Principal
from commonroom.storage.repository.visit import AGAIN_MS, Visit
from tests.support.recorder import Recorder

ADA, BOB = Principal("user", "ada"), Principal("user", "bob")


class Store(Recorder[Visit]):
    @property
    def rooms(self) -> list[str]:
        return [visit.room for visit in self.taken]


class Clock:
    def __init__(self) -> None:
        self.at = 1_000_000

    def now(self) -> Millis:
        return Millis(self.at)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> VisitLog:
    monkeypatch.setattr(lazy, "FLUSH_S", 0.0)
    monkeypatch.setattr(lazy, "AWAY_S", 0.0)
    return VisitLog(store.take, clock)


async def test_P19_those_who_come_together_are_one_batch(log: VisitLog, store: Store, clock: Clock) -> None:
    log.note(ADA, "library")
    log.note(BOB, "library")
    log.note(ADA, "attic")
    await store.until(lambda: store.batches)
    assert store.batches == [[Visit("ada", "library", clock.at), Visit("bob", "library", clock.at), Visit("ada", "attic", clock.at)]]
    await log.close()


async def test_P19_guests_are_not_written(log: VisitLog, store: Store) -> None:
    log.note(Principal("guest", "gus"), "library")
    log.note(ADA, "library")
    await store.until(lambda: store.batches)
    await log.close()
    assert [visit.user for visit in store.taken] == ["ada"]


async def test_P19_a_storm_of_joins_is_one_write_a_minute_for_each_user_and_room(log: VisitLog, store: Store, clock: Clock) -> None:
    for _ in range(100):
        log.note(ADA, "library")
    await store.until(lambda: store.batches)
    clock.at += AGAIN_MS - 1
    log.note(ADA, "library")
    log.note(ADA, "attic")
    await store.until(lambda: len(store.batches) == 2)
    clock.at += 1
    log.note(ADA, "library")
    await store.until(lambda: len(store.batches) == 3)
    assert store.rooms == ["library", "attic", "library"]
    await log.close()


async def test_P19_what_is_over_is_not_remembered(log: VisitLog, store: Store, clock: Clock) -> None:
    for number in range(50):
        log.note(ADA, f"room-{number}")
    await store.until(lambda: store.batches)
    clock.at += AGAIN_MS
    log.note(BOB, "library")
    await store.until(lambda: len(store.batches) == 2)
    await log.close()
    assert list(log._noted) == [("bob", "library")]


async def test_P19_nothing_runs_while_nobody_comes(log: VisitLog, store: Store) -> None:
    assert not log._tasks._tasks
    log.note(ADA, "library")
    (flush,) = log._tasks._tasks
    await flush
    assert store.rooms == ["library"]
    assert not log._tasks._tasks


async def test_P19_what_an_absent_database_did_not_take_is_given_to_it_again(log: VisitLog, store: Store) -> None:
    store.errors = [Unavailable("away"), Unavailable("away")]
    log.note(ADA, "library")
    log.note(BOB, "library")
    assert len(log) == 2
    await store.until(lambda: store.batches)
    assert len(log) == 0
    assert ([visit.user for visit in store.batches[0]], log.lost) == (["ada", "bob"], 0)
    await log.close()


async def test_P19_what_the_database_refuses_is_lost_and_counted_and_the_next_is_written(log: VisitLog, store: Store) -> None:
    store.errors = [InternalError("refused")]
    log.note(ADA, "library")
    await store.until(lambda: not store.errors)
    log.note(ADA, "attic")
    await store.until(lambda: store.batches)
    assert (store.rooms, log.lost) == (["attic"], 1)
    await log.close()


async def test_P19_a_full_queue_forgets_the_oldest(log: VisitLog, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "MAX_QUEUED", 3)
    monkeypatch.setattr(visits, "MAX_NOTED", 4)
    store.errors = [Unavailable("away")]
    for number in range(5):
        log.note(ADA, f"room-{number}")
    await store.until(lambda: not store.errors)
    log.note(ADA, "room-5")
    await store.until(lambda: store.batches)
    assert (store.rooms, log.lost) == (["room-3", "room-4", "room-5"], 3)
    assert len(log._noted) == 4
    await log.close()


async def test_P19_a_long_queue_goes_in_batches_at_once(log: VisitLog, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(lazy, "pause", pause)
    monkeypatch.setattr(lazy, "MAX_BATCH", 2)
    for number in range(5):
        log.note(ADA, f"room-{number}")
    (flush,) = log._tasks._tasks
    await flush
    assert [len(batch) for batch in store.batches] == [2, 2, 1]
    assert len(pauses) == 1


async def test_P19_a_node_that_ends_writes_what_is_left_also_what_was_under_way(log: VisitLog, store: Store) -> None:
    store.held = asyncio.Event()
    log.note(ADA, "library")
    await store.until(store.changed.is_set)
    log.note(BOB, "library")
    closing = asyncio.ensure_future(log.close())
    store.held.set()
    await closing
    assert sorted(visit.user for visit in store.taken) == ["ada", "bob"]
    assert log.lost == 0


async def test_P19_a_node_that_ends_without_its_database_says_what_is_lost(log: VisitLog, store: Store) -> None:
    store.errors = [Unavailable("away")] * 100
    log.note(ADA, "library")
    await log.close()
    assert (store.batches, log.lost) == ([], 1)
