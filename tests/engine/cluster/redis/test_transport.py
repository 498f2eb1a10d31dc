"""Parcels over a real Redis that is stopped, killed and cut."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from commonroom.engine.cluster.redis.transport import RedisTransport
from commonroom.errors import Unavailable
from tests.support.redis import RedisServer

NAMES = itertools.count()


class Ear:
    """Hears what a transport tells its user."""

    def __init__(self) -> None:
        self.parcels: list[bytes] = []
        self.interruptions = 0
        self.nudges = 0
        self._news = asyncio.Event()

    def received(self, data: bytes) -> None:
        self.parcels.append(data)
        self._news.set()

    def interrupted(self) -> None:
        self.interruptions += 1
        self._news.set()

    def nudged(self) -> None:
        self.nudges += 1
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is looked at after each piece of news."""
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def hears(self, count: int) -> list[bytes]:
        await self.until(lambda: len(self.parcels) >= count)
        return self.parcels


class Node:
    """One node: its transport and what it hears."""

    def __init__(self, transport: RedisTransport, troubles: list[str]) -> None:
        self.transport, self.troubles, self.ear = transport, troubles, Ear()
        self.stats = transport.stats

    async def sends(self, to: str, parcel: bytes) -> None:
        """Send until it is taken."""
        async with asyncio.timeout(20):
            while not self.transport.send(to, parcel):
                await asyncio.sleep(0.01)

    async def reaches(self, other: "Node", to: str) -> None:
        """Send probes until one arrives: both halves work again."""
        async with asyncio.timeout(20):
            while b"probe" not in other.ear.parcels:
                self.transport.send(to, b"probe")
                await asyncio.sleep(0.01)


class Nodes:
    """Nodes of one cluster on one Redis."""

    def __init__(self, url: str) -> None:
        self.url, self.cluster = url, f"transport-{next(NAMES)}"
        self._stack = AsyncExitStack()

    async def add(self, me: str, max_queued_bytes: int = 1 << 20) -> Node:
        troubles: list[str] = []
        node = Node(RedisTransport(self.url, self.cluster, max_queued_bytes=max_queued_bytes, on_trouble=troubles.append), troubles)
        await node.transport.open(me, node.ear)
        self._stack.push_async_callback(node.transport.close)
        return node

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def nodes(redis_url: str) -> AsyncIterator[Nodes]:
    """On the worker's own server: for tests that harm nothing."""
    nodes = Nodes(redis_url)
    yield nodes
    await nodes.close()


@pytest.fixture
async def harmed(own_redis: RedisServer) -> AsyncIterator[Nodes]:
    """On `own_redis`, which the test will harm."""
    nodes = Nodes(own_redis.url)
    yield nodes
    await nodes.close()


async def test_parcels_arrive_where_they_are_sent_once_and_in_order(nodes: Nodes) -> None:
    a, b, c = [await nodes.add(name) for name in "abc"]
    sent = [b"%d" % number for number in range(5000)]
    for parcel in sent[:2500]:
        assert a.transport.send("b", parcel)
    await asyncio.sleep(0)
    for parcel in sent[2500:]:
        assert a.transport.send("b", parcel)
    assert await b.ear.hears(5000) == sent
    assert a.ear.parcels == c.ear.parcels == []
    await a.transport.close()  # returns once Redis has answered: that may come after the parcels
    assert a.stats.queued_bytes == 0
    assert (a.stats.parcels_out, b.stats.parcels_in) == (5000, 5000)


async def test_what_gathers_while_a_call_is_in_flight_goes_as_one(nodes: Nodes) -> None:
    a, b = [await nodes.add(name) for name in "ab"]
    for _ in range(1000):
        a.transport.send("b", b"x")
    await b.ear.hears(1000)
    assert a.stats.publish_calls == 1
    assert a.stats.commands >= 1000


async def test_any_bytes_pass(nodes: Nodes) -> None:
    a, b = [await nodes.add(name) for name in "ab"]
    sent = [b"", b"\r\n", bytes(range(256)), b"\xff" * 500_000, b"*1\r\n$4\r\nPING\r\n"]
    for parcel in sent:
        assert a.transport.send("b", parcel)
    assert await b.ear.hears(len(sent)) == sent


async def test_a_node_may_send_to_itself(nodes: Nodes) -> None:
    a = await nodes.add("a")
    a.transport.send("a", b"me")
    assert await a.ear.hears(1) == [b"me"]


async def test_a_nudge_reaches_every_node(nodes: Nodes) -> None:
    a, b = [await nodes.add(name) for name in "ab"]
    a.transport.nudge()
    await a.ear.until(lambda: a.ear.nudges == 1)
    await b.ear.until(lambda: b.ear.nudges == 1)
    assert a.ear.parcels == b.ear.parcels == []
    assert a.stats.parcels_out == 0


async def test_clusters_of_one_redis_hear_nothing_of_each_other(nodes: Nodes) -> None:
    a, b = await nodes.add("a"), await nodes.add("b")
    others = Nodes(nodes.url)
    stranger = await others.add("b")
    a.transport.send("b", b"ours")
    a.transport.nudge()
    await b.ear.hears(1)
    await b.ear.until(lambda: b.ear.nudges == 1)
    stranger.transport.send("b", b"theirs")
    assert await stranger.ear.hears(1) == [b"theirs"]
    assert stranger.ear.nudges == 0
    await others.close()


async def test_a_parcel_to_nobody_is_counted(nodes: Nodes) -> None:
    a = await nodes.add("a")
    assert a.transport.send("nobody", b"x")
    await a.transport.close()  # returns once Redis has answered
    assert a.stats.unreceived == 1


async def test_over_the_bound_a_parcel_is_dropped_and_the_caller_hears_it(nodes: Nodes) -> None:
    a = await nodes.add("a", max_queued_bytes=10_000)
    b = await nodes.add("b")
    answers = [a.transport.send("b", b"x" * 1000) for _ in range(50)]
    taken = sum(answers)
    assert 0 < taken < 10
    assert answers == [True] * taken + [False] * (50 - taken)
    assert a.stats.dropped == 50 - taken
    assert 0 < a.stats.queued_bytes <= 10_000
    await b.ear.hears(taken)
    await a.sends("b", b"again")
    assert await b.ear.hears(taken + 1) == [b"x" * 1000] * taken + [b"again"]


async def test_what_was_queued_is_sent_before_it_closes(nodes: Nodes) -> None:
    a, b = [await nodes.add(name) for name in "ab"]
    for _ in range(100):
        a.transport.send("b", b"last words")
    await a.transport.close()
    assert len(await b.ear.hears(100)) == 100
    assert not a.transport.send("b", b"too late")
    a.transport.nudge()
    assert a.ear.interruptions == 0


async def test_no_redis_is_unavailable_and_leaves_nothing_open(own_redis: RedisServer) -> None:
    own_redis.kill()
    transport = RedisTransport(own_redis.url, "test")
    with pytest.raises(Unavailable, match="redis at"):
        await transport.open("a", Ear())
    assert not transport.send("a", b"x")
    await transport.close()


async def test_a_stopped_redis_is_unavailable_though_its_backlog_accepts(own_redis: RedisServer) -> None:
    own_redis.suspend()
    transport = RedisTransport(own_redis.url, "test")
    with pytest.raises(Unavailable, match="redis at"):
        await transport.open("a", Ear())
    own_redis.resume()


async def test_a_killed_subscription_is_made_again_and_told(own_redis: RedisServer, harmed: Nodes) -> None:
    a, b = [await harmed.add(name) for name in "ab"]
    for times in (1, 2, 3):
        own_redis.do("CLIENT", "KILL", "TYPE", "pubsub")
        await b.ear.until(lambda: b.ear.interruptions == times)  # noqa: B023 - awaited within the turn
        a.transport.send("b", b"%d" % times)
        assert (await b.ear.hears(times))[-1] == b"%d" % times
    assert b.stats.resubscriptions == 3
    assert a.transport.send("b", b"the publisher never broke")


async def test_a_killed_publisher_tells_what_may_be_lost_and_goes_on(own_redis: RedisServer, harmed: Nodes) -> None:
    a, b = [await harmed.add(name) for name in "ab"]
    own_redis.do("CLIENT", "KILL", "TYPE", "normal")
    await a.ear.until(lambda: a.ear.interruptions == 1)
    await a.sends("b", b"back")
    assert (await b.ear.hears(1))[-1] == b"back"
    assert a.stats.resubscriptions == 0


async def test_both_halves_survive_a_restart(own_redis: RedisServer, harmed: Nodes) -> None:
    a, b = [await harmed.add(name) for name in "ab"]
    for times in (1, 2):
        own_redis.kill()
        await a.ear.until(lambda: not a.transport.send("b", b"nobody hears"))
        own_redis.start()
        await b.ear.until(lambda: b.stats.resubscriptions == times)  # noqa: B023 - awaited within the turn
        b.ear.parcels.clear()
        await a.reaches(b, "b")
    assert b.ear.interruptions >= 4


async def test_a_wipe_does_not_concern_it(own_redis: RedisServer, harmed: Nodes) -> None:
    a, b = [await harmed.add(name) for name in "ab"]
    own_redis.do("FLUSHALL")
    a.transport.send("b", b"x")
    assert await b.ear.hears(1) == [b"x"]
    assert b.ear.interruptions == 0


async def test_a_stopped_redis_gets_no_parcel_twice(own_redis: RedisServer, harmed: Nodes) -> None:
    """R15: the call has no known outcome; it may have been executed, so it is not sent again."""
    a, b = [await harmed.add(name) for name in "ab"]
    own_redis.suspend()
    sent = [b"%d" % number for number in range(100)]
    for parcel in sent[:50]:
        assert a.transport.send("b", parcel)
    await asyncio.sleep(0)
    for parcel in sent[50:]:
        assert a.transport.send("b", parcel)
    await a.ear.until(lambda: a.ear.interruptions == 1)
    assert a.stats.queued_bytes == 0
    with pytest.raises(Unavailable):  # takes half a second, in which the publisher tries again and again
        await RedisTransport(own_redis.url, harmed.cluster).open("c", Ear())
    assert not a.transport.send("b", b"not connected")
    assert a.ear.interruptions == 1
    own_redis.resume()
    await a.sends("b", b"after")
    await b.ear.until(lambda: b"after" in b.ear.parcels)
    heard = b.ear.parcels[:-1]
    assert heard == sent[: len(heard)]
    assert len(heard) <= 50
    assert a.stats.dropped >= 101


async def test_a_subscription_that_falls_silent_is_made_again(
    own_redis: RedisServer, harmed: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open peer sends no end of file: only the missing answer to a ping tells."""
    monkeypatch.setattr("commonroom.engine.cluster.redis.listener.PING_S", 0.05)
    a, b = [await harmed.add(name) for name in "ab"]
    own_redis.suspend()
    b.transport.send("a", b"x")
    await b.ear.until(lambda: b.ear.interruptions == 1)  # by the publisher, after far more than two pings
    own_redis.resume()
    await b.ear.until(lambda: b.stats.resubscriptions >= 1)
    b.ear.parcels.clear()
    await a.reaches(b, "b")


async def test_an_idle_subscription_stands(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonroom.engine.cluster.redis.listener.PING_S", 0.2)
    a = await nodes.add("a")
    before = a.stats.commands
    async with asyncio.timeout(20):
        while a.stats.commands < before + 5:
            await asyncio.sleep(0.01)
    assert a.stats.resubscriptions == 0


async def test_a_redis_that_refuses_to_publish_is_told_and_tried_again(own_redis: RedisServer, harmed: Nodes) -> None:
    a, b = [await harmed.add(name) for name in "ab"]
    own_redis.do("ACL", "SETUSER", "default", "-publish")
    a.transport.send("b", b"refused")
    await a.ear.until(lambda: a.ear.interruptions >= 1)
    assert "NOPERM" in a.troubles[0]
    own_redis.do("ACL", "SETUSER", "default", "+publish")
    await a.reaches(b, "b")
    assert b"refused" not in b.ear.parcels


async def test_a_password_and_a_database_are_given_on_every_connection(own_redis: RedisServer) -> None:
    own_redis.do("CONFIG", "SET", "requirepass", "right")
    path = own_redis.url.removeprefix("unix://")
    wrong = RedisTransport(f"unix://:hush@{path}", "test")
    with pytest.raises(Unavailable) as caught:
        await wrong.open("a", Ear())
    assert "hush" not in str(caught.value)
    nodes = Nodes(f"unix://:right@{path}?db=2")
    a, b = [await nodes.add(name) for name in "ab"]
    a.transport.send("b", b"x")
    assert await b.ear.hears(1) == [b"x"]
    await nodes.close()


async def test_a_user_who_fails_at_a_parcel_hears_the_next(nodes: Nodes) -> None:
    a, b = [await nodes.add(name) for name in "ab"]
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context["exception"]))
    hear = b.ear.received

    def fail_once(data: bytes) -> None:
        b.ear.received = hear  # type: ignore[method-assign]
        raise ValueError(data)

    b.ear.received = fail_once  # type: ignore[method-assign]
    a.transport.send("b", b"poison")
    await b.ear.until(lambda: b.ear.interruptions == 1)
    await a.sends("b", b"next")
    assert await b.ear.hears(1) == [b"next"]
    assert [str(failure) for failure in failures] == ["b'poison'"]
