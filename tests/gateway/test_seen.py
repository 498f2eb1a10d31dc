"""When users were here last (FEATURES P20). How it is written late and together: see `test_visits.py`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from commonroom.clock import Millis
from commonroom.engine.gateway import lazy
from commonroom.engine.gateway.status import SeenLog
from commonroom.errors import Unavailable

MINUTE_MS = 60_000


class Store:
    """Keeps what it is given, or raises what it is told to, one error a call; moments by hand."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.errors: list[Exception] = []
        self.changed = asyncio.Event()
        self.held: asyncio.Event | None = None
        self.at = 10 * MINUTE_MS + 12_345

    def now(self) -> Millis:
        return Millis(self.at)

    async def write(self, moments: Mapping[str, int]) -> None:
        self.changed.set()
        if self.held is not None:
            await self.held.wait()
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
    monkeypatch.setattr(lazy, "FLUSH_S", 0.0)
    monkeypatch.setattr(lazy, "AWAY_S", 0.0)
    return SeenLog(store.write, store)


async def test_P20_however_often_somebody_comes_and_goes_it_is_one_row_to_the_minute(log: SeenLog, store: Store) -> None:
    for _ in range(100):
        log.note("ada")
        log.note("bob")
    await store.until(lambda: store.batches)
    assert store.batches == [{"ada": 10 * MINUTE_MS, "bob": 10 * MINUTE_MS}]
    await log.close()


async def test_P20_while_the_database_is_away_they_wait_and_the_latest_moment_counts(log: SeenLog, store: Store) -> None:
    store.errors, store.held = [Unavailable("away")], asyncio.Event()
    log.note("ada")
    await store.until(store.changed.is_set)
    store.at += MINUTE_MS
    log.note("ada")
    store.held.set()
    await store.until(lambda: store.batches)
    assert (store.batches[-1]["ada"], log.lost) == (11 * MINUTE_MS, 0)
    await log.close()
