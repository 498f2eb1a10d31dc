"""When users were here last: written late and together, bounded, whatever becomes of the database (FEATURES P20)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from commonroom.clock import Millis
from commonroom.engine.gateway.status import SeenLog
from commonroom.engine.gateway.status import seen as module
from commonroom.errors import InternalError, Unavailable

MINUTE_MS = 60_000


class Store:
    """Keeps what it is given, or raises what it is told to, one error a call; moments by hand."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.errors: list[Exception] = []
        self.changed = asyncio.Event()
        self.at = 10 * MINUTE_MS + 12_345

    def now(self) -> Millis:
        return Millis(self.at)

    async def write(self, moments: Mapping[str, int]) -> None:
        self.changed.set()
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(dict(moments))

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def log(store: Store, monkeypatch: pytest.MonkeyPatch) -> SeenLog:
    monkeypatch.setattr(module, "FLUSH_S", 0.0)
    monkeypatch.setattr(module, "AWAY_S", 0.0)
    return SeenLog(store.write, store)


async def test_P20_however_often_somebody_comes_and_goes_it_is_one_row_to_the_minute(log: SeenLog, store: Store) -> None:
    for _ in range(100):
        log.note("ada")
        log.note("bob")
    await store.until(lambda: store.batches)
    assert store.batches == [{"ada": 10 * MINUTE_MS, "bob": 10 * MINUTE_MS}]
    await log.close()


async def test_P20_nothing_runs_while_nobody_comes_or_goes(log: SeenLog, store: Store) -> None:
    assert not log._tasks._tasks
    log.note("ada")
    (flush,) = log._tasks._tasks
    await flush
    assert not log._tasks._tasks
    assert len(store.batches) == 1


async def test_P20_while_the_database_is_away_they_wait_and_the_latest_moment_counts(log: SeenLog, store: Store) -> None:
    store.errors = [Unavailable("away")]
    log.note("ada")
    await store.until(lambda: not store.errors)
    store.at += MINUTE_MS
    log.note("ada")
    await store.until(lambda: store.batches)
    assert (store.batches[-1]["ada"], log.lost) == (11 * MINUTE_MS, 0)
    await log.close()


async def test_P20_what_is_refused_is_lost_and_counted(log: SeenLog, store: Store) -> None:
    store.errors = [InternalError("refused")]
    log.note("ada")
    await store.until(lambda: not store.errors)
    log.note("bob")
    await store.until(lambda: store.batches)
    assert (list(store.batches[-1]), log.lost) == (["bob"], 1)
    await log.close()


async def test_P20_a_full_queue_forgets_the_first(log: SeenLog, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    monkeypatch.setattr(module, "MAX_BATCH", 2)
    for number in range(5):
        log.note(f"user-{number}")
    await log.close()
    assert ([list(batch) for batch in store.batches], log.lost) == ([["user-2", "user-3"], ["user-4"]], 2)


async def test_P20_a_node_that_ends_writes_what_is_left_or_says_that_it_is_lost(log: SeenLog, store: Store) -> None:
    log.note("ada")
    await log.close()
    assert len(store.batches) == 1
    store.errors = [Unavailable("away")]
    log._queue["bob"] = 1
    await log.close()
    assert log.lost == 1
