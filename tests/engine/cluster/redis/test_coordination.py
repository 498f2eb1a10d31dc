"""Membership on a real Redis: who lives, who does not, and what a store without memory may say."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.port import Coordination
from commonroom.engine.cluster.redis.client import ControlClient
from commonroom.engine.cluster.redis.coordination import RedisCoordination
from commonroom.engine.cluster.redis.endpoint import Endpoint
from commonroom.errors import ConfigError, Unavailable
from tests.support.redis import RedisServer

TTL_MS = 60_000
"""Far longer than any test: what passes of it, `World.elapse` lets pass."""

STATE, MEMBERS, BEATS, DEAD = (f"{{commonroom:test}}:{name}" for name in ("state", "members", "beats", "dead"))
A, B, C = (Member(id=letter * 26, name=f"node-{letter}", host="here", port=8000) for letter in "abc")


class Node:
    """One member that beats and keeps what it is told."""

    def __init__(self, coordination: Coordination, member: Member) -> None:
        self.coordination, self.member = coordination, member
        self.view = View()

    async def beat(self) -> View:
        self.view = await self.coordination.beat(self.member, self.view)
        return self.view


class World:
    """A store of the test's own and three nodes on it."""

    def __init__(self, server: RedisServer, client: ControlClient) -> None:
        self.server, self.client = server, client
        coordination = RedisCoordination(client, "test", TTL_MS)
        self.nodes = [Node(coordination, member) for member in (A, B, C)]

    def elapse(self, ttls: float) -> None:
        """Let time pass for the store: all it remembers is so many TTLs longer ago."""
        past = round(ttls * TTL_MS)
        with self.server.admin() as admin:
            for field in ("seen", "quiet_until"):
                admin.hincrby(STATE, field, -past)
            for member in admin.zrange(BEATS, 0, -1):
                admin.zincrby(BEATS, -past, member)

    async def calm(self, *nodes: Node) -> None:
        """Let `nodes` beat until a quiet period that began just now is over."""
        for _ in range(6):
            for node in nodes:
                await node.beat()
            self.elapse(0.4)
        for node in nodes:
            assert not (await node.beat()).quiet


@pytest.fixture
async def world(own_redis: RedisServer) -> AsyncIterator[World]:
    client = ControlClient(own_redis.url)
    yield World(own_redis, client)
    await client.close()


@pytest.fixture
def nodes(world: World) -> list[Node]:
    return world.nodes


async def answered(node: Node) -> View:
    """Beat until Redis answers."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await node.beat()
            except Unavailable:
                await asyncio.sleep(0.01)


async def test_the_first_beat_on_an_empty_store_makes_a_member_at_once(nodes: list[Node]) -> None:
    view = await nodes[0].beat()
    assert view.members == {A.id: A}
    assert view.quiet
    assert not view.expelled


async def test_members_are_told_only_to_those_who_do_not_know_them(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await a.beat()
    await b.beat()
    before = await a.beat()
    world.server.do("HSET", MEMBERS, B.id, "garbled")
    again = await a.beat()
    assert again.members is before.members


async def test_the_version_grows_when_a_member_is_new_or_changes_and_only_then(nodes: list[Node]) -> None:
    a, b, _ = nodes
    first = (await a.beat()).version
    assert (await a.beat()).version == first
    second = (await b.beat()).version
    assert second > first
    b.member = replace(B, weight=0.0)
    third = (await b.beat()).version
    assert third > second
    assert (await a.beat()).members[B.id].weight == 0.0
    assert a.view.version == third


async def test_who_does_not_beat_for_a_ttl_is_dead_and_stays_dead(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    version = a.view.version
    for _ in range(2):
        world.elapse(0.4)
        assert B.id in (await a.beat()).members
    world.elapse(0.4)
    assert B.id not in (await a.beat()).members
    assert not a.view.quiet
    assert a.view.version > version
    for _ in range(3):
        assert (await b.beat()).expelled
        assert B.id not in (await a.beat()).members


async def test_who_beats_lives(world: World, nodes: list[Node]) -> None:
    await world.calm(*nodes)
    for _ in range(10):
        world.elapse(0.4)
        for node in nodes:
            assert (await node.beat()).members.keys() == {A.id, B.id, C.id}
    assert not any(node.view.expelled for node in nodes)


async def test_who_beats_late_but_first_lives_on(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    with world.server.admin() as admin:
        admin.zincrby(BEATS, -2 * TTL_MS, B.id)
    assert not (await b.beat()).expelled
    assert B.id in (await a.beat()).members


async def test_in_a_quiet_period_of_two_ttls_nobody_is_expelled(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await b.beat()
    for _ in range(5):
        assert (await a.beat()).quiet
        assert B.id in a.view.members
        assert not await a.coordination.expel(B.id)
        world.elapse(0.39)
    world.elapse(0.1)
    assert not (await a.beat()).quiet
    assert a.view.members.keys() == {A.id}


async def test_a_member_proven_dead_is_expelled_at_once(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    version = a.view.version
    assert await a.coordination.expel(B.id)
    assert (await a.beat()).members.keys() == {A.id}
    assert a.view.version > version
    assert (await b.beat()).expelled
    assert await a.coordination.expel(B.id)


async def test_who_leaves_is_gone_at_once_even_in_a_quiet_period_and_never_returns(nodes: list[Node]) -> None:
    a, b, _ = nodes
    await a.beat()
    await b.beat()
    await b.coordination.leave(B.id)
    assert (await a.beat()).members.keys() == {A.id}
    assert (await b.beat()).expelled
    assert (await a.beat()).members.keys() == {A.id}


async def test_leaving_an_empty_store_leaves_it_empty_of_members(nodes: list[Node], world: World) -> None:
    await nodes[0].coordination.leave(A.id)
    assert world.server.do("EXISTS", STATE) == 0
    assert (await nodes[1].beat()).members.keys() == {B.id}
    assert (await nodes[0].beat()).expelled


async def test_a_change_of_ownership_changes_the_version_of_the_slots(nodes: list[Node]) -> None:
    a, _, _ = nodes
    before = (await a.beat()).slots_version
    assert (await a.beat()).slots_version == before
    await a.coordination.note_slots()
    assert (await a.beat()).slots_version > before


async def test_a_wipe_begins_a_quiet_period_under_versions_never_seen(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    await a.coordination.note_slots()
    before = await a.beat()
    world.server.do("FLUSHALL")
    after = await a.beat()
    assert after.quiet
    assert after.members.keys() == {A.id}
    assert after.version > before.version
    assert after.slots_version > before.slots_version
    assert not await a.coordination.expel(B.id)
    assert (await b.beat()).members.keys() == {A.id, B.id}


async def test_a_wipe_between_any_two_calls_kills_nobody(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    for node in (a, b, a, b):
        world.server.do("FLUSHALL")
        assert not await node.coordination.expel((B if node is a else A).id)
        await node.coordination.note_slots()
        assert (await node.beat()).quiet
    await world.calm(a, b)
    assert a.view.members.keys() == b.view.members.keys() == {A.id, B.id}
    assert not a.view.expelled
    assert not b.view.expelled


async def test_a_restart_begins_a_quiet_period(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    version = a.view.version
    world.server.kill()
    with pytest.raises(Unavailable):
        await a.beat()
    world.server.start()
    view = await answered(a)
    assert view.quiet
    assert view.version > version


async def test_a_silence_of_all_begins_a_quiet_period_and_kills_nobody(world: World, nodes: list[Node]) -> None:
    """As when Redis was stopped, or its clock jumped ahead."""
    a, b, _ = nodes
    await world.calm(a, b)
    world.elapse(1.5)
    assert not await a.coordination.expel(B.id)
    assert (await a.beat()).quiet
    assert B.id in a.view.members
    assert not (await b.beat()).expelled


async def test_a_pause_of_redis_shorter_than_a_ttl_kills_nobody_either(world: World, nodes: list[Node]) -> None:
    """B beat 0.4 TTL before a pause of 0.7 TTL: it is older than a TTL after it, by no fault of its own."""
    a, b, _ = nodes
    await world.calm(b, a)
    world.elapse(0.4)
    await a.beat()
    world.elapse(0.7)
    assert B.id in (await a.beat()).members
    assert a.view.quiet


async def test_a_clock_that_went_backwards_begins_a_quiet_period_and_lives_still_end(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    world.elapse(-100)
    assert not await a.coordination.expel(B.id)
    assert (await a.beat()).quiet
    await world.calm(a)
    assert a.view.members.keys() == {A.id}


@pytest.mark.parametrize("lost", [MEMBERS, BEATS, STATE])
async def test_a_store_that_lost_a_part_is_quiet_and_recovers(world: World, nodes: list[Node], lost: str) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    world.server.do("DEL", lost)
    assert (await a.beat()).quiet
    await world.calm(a, b)
    assert (await a.beat()).members.keys() == {A.id, B.id}


async def test_a_life_of_which_only_the_beat_is_left_keeps_nobody_quiet(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    world.server.do("DEL", MEMBERS)
    await world.calm(a)
    assert a.view.members.keys() == {A.id}


async def test_the_dead_are_forgotten_after_a_day(world: World, nodes: list[Node]) -> None:
    a, b, _ = nodes
    await world.calm(a, b)
    await a.coordination.expel(B.id)
    ttl_ms = world.server.do("PTTL", DEAD)
    assert isinstance(ttl_ms, int)
    assert ttl_ms > 23 * 60 * 60 * 1000
    world.server.do("ZADD", DEAD, "1", B.id)
    await a.beat()
    assert world.server.do("ZCARD", DEAD) == 0


async def test_scripts_are_loaded_again_when_redis_forgot_them(world: World, nodes: list[Node]) -> None:
    await nodes[0].beat()
    sent = world.client.commands
    await nodes[0].beat()
    assert world.client.commands == sent + 1
    world.server.do("SCRIPT", "FLUSH")
    assert (await nodes[0].beat()).members.keys() == {A.id}
    assert world.client.commands == sent + 3


async def test_a_redis_that_is_stopped_is_unavailable_after_half_a_second(world: World, nodes: list[Node]) -> None:
    a = nodes[0]
    await a.beat()
    world.server.suspend()
    for call in (a.beat, lambda: a.coordination.expel(B.id), a.coordination.note_slots):
        async with asyncio.timeout(5):  # redis-py's own defaults take longer than 8 s
            with pytest.raises(Unavailable, match="redis at"):
                await call()
    world.server.resume()
    assert (await answered(a)).members.keys() == {A.id}


async def test_a_cancelled_beat_is_cancelled(world: World, nodes: list[Node]) -> None:
    await nodes[0].beat()
    world.server.suspend()
    beat = asyncio.create_task(nodes[0].beat())
    await asyncio.sleep(0)
    beat.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beat
    world.server.resume()
    assert (await answered(nodes[0])).members.keys() == {A.id}


@pytest.mark.parametrize("hostile", ["{", '{"id":7}', "[" * 100_000, "\udcff", "null", '{"id":"x","name":"y"},7'])
async def test_a_garbled_member_is_unavailable_and_no_crash(world: World, nodes: list[Node], hostile: str) -> None:
    await nodes[0].beat()
    with world.server.admin() as admin:
        admin.hset(MEMBERS, "x", hostile.encode(errors="surrogateescape"))
        admin.zadd(BEATS, {"x": 10**15})
    with pytest.raises(Unavailable, match="make no sense"):
        await Node(nodes[0].coordination, B).beat()


async def test_keys_of_another_type_are_unavailable_and_no_crash(world: World, nodes: list[Node]) -> None:
    world.server.do("SET", STATE, "a string")
    with pytest.raises(Unavailable, match="WRONGTYPE"):
        await nodes[0].beat()


async def test_clusters_of_one_redis_keep_apart(world: World) -> None:
    one, other = (Node(RedisCoordination(world.client, name), member) for name, member in (("one", A), ("other", B)))
    await one.beat()
    await other.beat()
    assert (await one.beat()).members.keys() == {A.id}


async def test_no_error_tells_the_password(own_redis: RedisServer) -> None:
    own_redis.do("CONFIG", "SET", "requirepass", "right")
    path = own_redis.url.removeprefix("unix://")
    client = ControlClient(f"unix://somebody:hush-hush@{path}")
    with pytest.raises(Unavailable) as caught:
        await Node(RedisCoordination(client, "test"), A).beat()
    await client.close()
    told: list[Any] = [caught.value, caught.value.__cause__, caught.value.args]
    assert not any("hush" in str(part) or "somebody" in str(part) for part in told)
    welcome = ControlClient(f"unix://:right@{path}?db=3")
    assert (await Node(RedisCoordination(welcome, "test"), A).beat()).members.keys() == {A.id}
    await welcome.close()


def test_an_error_that_repeats_the_password_is_redacted() -> None:
    told = Endpoint("redis://somebody:hush%2Fhush@here:6379/1").unavailable(OSError("cannot hush/hush somebody"))
    assert str(told) == "redis at here:6379: OSError: cannot *** ***"


@pytest.mark.parametrize("url", ["http://:hush@here", "redis://:hu/sh@here:6379", "redis://:hush@here:port", "unix:///x?db=hush", "hush"])
def test_an_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ControlClient(url)
    assert "hu" not in str(caught.value).replace("commonroom", "")
