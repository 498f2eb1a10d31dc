"""Pages kept for a moment: made once at a time, failures not kept, bounded."""

import asyncio

import pytest

from commonroom.errors import Unavailable
from commonroom.http import page_cache
from commonroom.http.page_cache import MAX_PAGES, PageCache
from tests.http.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_many_who_ask_at_once_make_it_once() -> None:
    made, go = [], asyncio.Event()

    async def make() -> bytes:
        made.append(1)
        await go.wait()
        return b"page"

    cache = PageCache()
    asking = [asyncio.ensure_future(cache.get("key", make)) for _ in range(10)]
    await asyncio.sleep(0)
    go.set()
    assert {(await one).body for one in asking} == {b"page"}
    assert made == [1]


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    go = asyncio.Event()

    async def fail() -> bytes:
        await go.wait()
        raise Unavailable("no database")

    async def make() -> bytes:
        return b"page"

    cache = PageCache()
    asking = [asyncio.ensure_future(cache.get("key", fail)) for _ in range(3)]
    await asyncio.sleep(0)
    go.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert (await cache.get("key", make)).body == b"page"


async def test_one_that_is_cancelled_takes_nobody_along(monkeypatch: pytest.MonkeyPatch) -> None:
    never = asyncio.Event()

    async def hang() -> bytes:
        await never.wait()
        return b""

    async def make() -> bytes:
        return b"page"

    cache = PageCache()
    first = asyncio.ensure_future(cache.get("key", hang))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(cache.get("key", make))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).body == b"page"


async def test_it_keeps_no_more_than_its_bound_and_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(page_cache, "monotonic_s", lambda: now_s)
    bodies = iter(f"{number}".encode() for number in range(10_000))

    async def make() -> bytes:
        return next(bodies)

    cache = PageCache()
    first = await cache.get("first", make)
    assert await cache.get("first", make) is first
    now_s += page_cache.TTL_S
    assert await cache.get("first", make) is not first
    kept = await cache.get("first", make)
    for number in range(MAX_PAGES):
        await cache.get(number, make)
    assert await cache.get("first", make) is not kept


async def test_a_list_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    first = await api.call("GET", "/v1/rooms?limit=1")
    again = await api.call("GET", "/v1/rooms?limit=1", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status, first.headers["Cache-Control"]) == (200, "no-cache")
    assert (again.status, again.headers["ETag"]) == (304, first.headers["ETag"])
