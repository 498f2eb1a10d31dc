"""Limits on a real Redis: decided as GCRA does, together, and by each node for itself while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest

from commonroom.engine.cluster.redis import limit as redis_limit
from commonroom.engine.cluster.redis.client import ControlClient
from commonroom.engine.cluster.redis.limit import RedisLimits
from commonroom.engine.cluster.redis.script import Script
from commonroom.errors import Unavailable
from commonroom.limit import Ask, Limiter
from commonroom.limit.gcra import Rate, take
from commonroom.limit.limit import LOGINS, LOGINS_OF_STRANGERS, ROOMS_OF_GUESTS, ROOMS_OF_GUESTS_BY_ADDRESS
from commonroom.limit.limiter import AT_ONCE, AWAY_US, SharedAnswer, SharedAsk
from tests.support.redis import RedisServer

RATES = {"slow": Rate(60_000_000, 3), "quick": Rate(1500, 4), "instant": Rate(200, 1), "doubling": Rate(300, 2, 4000)}
"""The quick ones flow while the test runs."""


class Store:
    """A server with two nodes on it."""

    def __init__(self, server: RedisServer, client: ControlClient) -> None:
        self.server, self.client = server, client
        self.limits = RedisLimits(client, "test")
        self.now_us = 10**12
        self.nodes = [Limiter(shared=self.limits, now_us=lambda: self.now_us) for _ in range(2)]

    async def granted(self, node: int, tries: int, account: str = "ada", address: str = "here") -> int:
        return sum([await self.knock(node, account, address) == 0 for _ in range(tries)])

    async def knock(self, node: int, account: str = "ada", address: str = "here") -> int:
        both = f"{account} at {address}"
        return (await self.nodes[node].take([Ask(LOGINS, both), Ask(LOGINS_OF_STRANGERS, account, both)], both)).wait_us


@pytest.fixture
async def store(own_redis: RedisServer) -> AsyncIterator[Store]:
    client = ControlClient(own_redis.url)
    yield Store(own_redis, client)
    await client.close()


class TestScript:
    async def test_it_decides_as_gcra_does(self, redis_url: str, seed: int) -> None:
        """The script is asked to tell its time besides, so that the same tries can be put to the pure function."""
        text = redis_limit.LIMIT.text.replace("return answer", "answer[#answer + 1] = now\nreturn answer")
        telling, random = Script(text, "0" * 40), Random(seed)
        client, tats = ControlClient(redis_url), dict.fromkeys([(name, key) for name in RATES for key in "ab"], 0)
        refused = 0
        for _ in range(400):
            asked = [(name, random.choice("ab")) for name in random.sample(sorted(RATES), random.randint(1, len(RATES)))]
            if random.random() < 0.9:
                asked = [one for one in asked if one[0] != "slow"] or asked[:1]
            rates = [RATES[name] for name, _ in asked]
            keys = ["", *(f"{seed}:{name}:{key}" for name, key in asked), *[""] * len(asked)]
            answer = await client.run(telling, keys, [number for rate in rates for number in rate])
            assert isinstance(answer, list)
            wait, familiar, *aheads, now = answer
            expected, after = take([(rate, tats[one]) for rate, one in zip(rates, asked, strict=True)], now)
            assert (wait, familiar) == (expected, 0)
            assert aheads == [max(tat - now, 0) for tat in after]
            tats.update(zip(asked, after, strict=True))
            refused += wait > 0
        await client.close()
        assert 0 < refused < 400

    async def test_T16_a_race_is_granted_no_more_than_the_limit(self, store: Store) -> None:
        asks = [SharedAsk("login", Rate(60_000_000, 5), "ada", None)]
        answers = await asyncio.gather(*(store.limits.take(asks, None) for _ in range(AT_ONCE)))
        assert sum(answer.wait_us == 0 for answer in answers) == 5

    async def test_what_is_refused_changes_nothing(self, store: Store) -> None:
        empty, full = (SharedAsk(name, Rate(60_000_000, 1), "ada", None) for name in ("empty", "full"))
        await store.limits.take([full], None)
        before = store.server.do("GET", "{commonroom:test}:limit:full:ada")
        assert (await store.limits.take([empty, full], None)).wait_us > 0
        assert store.server.do("GET", "{commonroom:test}:limit:full:ada") == before
        assert store.server.do("DBSIZE") == 1

    async def test_P11_what_is_refused_waits_twice_as_long_and_the_key_lives_as_long(self, store: Store) -> None:
        asks = [
            SharedAsk("room", Rate(60_000_000, 1, 200_000_000), "ada", None),
            SharedAsk("other", Rate(60_000_000, 1, 1000), "ada", None),
        ]
        answers = [await store.limits.take(asks[:1], None) for _ in range(5)]
        assert [round(answer.wait_us, -7) for answer in answers] == [0, 120_000_000, 200_000_000, 200_000_000, 200_000_000]
        left_ms = store.server.do("PTTL", "{commonroom:test}:limit:room:ada")
        assert isinstance(left_ms, int)
        assert 190_000 < left_ms <= 200_000
        assert (await store.limits.take(asks, None)).wait_us == answers[-1].wait_us
        assert store.server.do("EXISTS", "{commonroom:test}:limit:other:ada") == 0

    async def test_keys_go_when_they_count_no_more(self, store: Store) -> None:
        await store.limits.take([SharedAsk("login", Rate(60_000_000, 5), "ada", None)], None)
        left_ms = store.server.do("PTTL", "{commonroom:test}:limit:login:ada")
        assert isinstance(left_ms, int)
        assert 50_000 < left_ms <= 60_000

    async def test_whom_a_mark_stands_for_is_counted_apart(self, store: Store) -> None:
        asks = [SharedAsk("login-account", Rate(60_000_000, 1), "ada", "ada at home")]
        first = await store.limits.take(asks, "home")
        assert (first.wait_us, first.familiar) == (0, False)
        assert (await store.limits.take(asks, "home")).wait_us > 0
        await store.limits.remember("home", 60_000)
        known = await store.limits.take(asks, "home")
        assert (known.wait_us, known.familiar) == (0, True)
        assert (await store.limits.take(asks, "elsewhere")).wait_us > 0

    @pytest.mark.parametrize("stored", ["", "not a number", "-1", "9e15", "1e400", "nan"])
    async def test_whatever_others_wrote_nobody_waits_longer_than_an_interval(self, store: Store, stored: str) -> None:
        store.server.do("SET", "{commonroom:test}:limit:login:ada", stored)
        answer = await store.limits.take([SharedAsk("login", Rate(1_000_000, 5), "ada", None)], None)
        assert 0 <= answer.wait_us <= 1_000_000


class TestNodes:
    async def test_they_count_together(self, store: Store) -> None:
        assert await store.granted(0, 3) == 3
        assert await store.granted(1, 100) == 2
        assert await store.granted(0, 100) == 0
        assert store.nodes[0].stats.away == 0

    async def test_what_a_node_knows_to_be_refused_it_asks_nobody(self, store: Store) -> None:
        await store.granted(0, 6)
        before = store.client.commands
        assert await store.granted(0, 100) == 0
        assert store.client.commands - before == 0

    async def test_P11_refusals_on_all_nodes_double_one_wait(self, store: Store) -> None:
        asks = [Ask(ROOMS_OF_GUESTS, "ada"), Ask(ROOMS_OF_GUESTS_BY_ADDRESS, "home")]
        verdicts = [await store.nodes[number % 2].take(asks) for number in range(9)]
        assert [round(verdict.wait_us / 3_600_000_000) for verdict in verdicts] == [0, 0, 1, 2, 4, 8, 16, 24, 24]
        assert [node.stats.refused for node in store.nodes] == [4, 3]

    async def test_P11_while_redis_is_away_each_node_doubles_what_it_knows(self, store: Store) -> None:
        asks = [Ask(ROOMS_OF_GUESTS, "ada")]
        for _ in range(4):
            await store.nodes[0].take(asks)
        store.server.kill()
        here, there = [(await node.take(asks)).wait_us for node in store.nodes]
        assert (round(here / 3_600_000_000), there) == (4, 0)

    async def test_one_request_is_one_round_trip(self, store: Store) -> None:
        await store.knock(0)  # the first loads the script
        before = store.client.commands
        await store.knock(0)
        assert store.client.commands - before == 1

    async def test_a_familiar_address_is_so_on_every_node(self, store: Store) -> None:
        await store.nodes[0].remember("ada at home")
        for number in range(10):
            await store.granted(1, 5, "ada", f"address {number}")
        assert await store.granted(1, 1, "ada", "another") == 0
        assert await store.granted(1, 5, "ada", "home") == 5

    async def test_without_redis_each_counts_on_from_what_it_knows(self, store: Store) -> None:
        assert await store.granted(0, 2) == 2
        store.server.kill()
        assert await store.granted(0, 100) == 3
        assert await store.granted(1, 100) == 5
        assert [node.stats.away for node in store.nodes] == [3, 5]  # that the others are refused is known

    async def test_while_redis_hangs_one_request_in_two_seconds_waits_for_it(self, store: Store) -> None:
        await store.granted(0, 1)
        store.server.suspend()
        try:
            await store.granted(0, 1)
            before = store.client.commands
            await asyncio.gather(*(store.knock(0, str(number)) for number in range(50)))
            assert store.client.commands == before
            store.now_us += AWAY_US
            await asyncio.gather(*(store.knock(0, str(number)) for number in range(50)))
            assert store.client.commands == before + 1
        finally:
            store.server.resume()

    async def test_redis_is_asked_again_once_it_is_back(self, store: Store) -> None:
        store.server.kill()
        assert await store.granted(0, 5) == 5
        store.server.start()
        with store.server.admin():
            pass
        store.now_us += AWAY_US
        assert await store.granted(0, 1, "bob") == 1
        assert store.nodes[0].stats.shared == 1
        assert await store.granted(1, 5, "bob") == 4


@pytest.mark.parametrize("answer", [None, b"", [], [0], [0, 0, 0, 0], [0, 0, b"1"], [0, 0, None]])
async def test_an_answer_that_makes_no_sense_is_none(answer: object) -> None:
    with pytest.raises(Unavailable):
        redis_limit._read(answer, 1)


def test_an_answer_is_read() -> None:
    aheads: Sequence[int] = [12, 0]
    assert redis_limit._read([7, 1, *aheads], 2) == SharedAnswer(7, True, aheads)
