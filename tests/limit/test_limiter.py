"""The limiter of a node that is alone, on a clock that the test moves."""

from pathlib import Path

import pytest

from commonroom.identity import ActorType
from commonroom.limit import Ask, Limit, Limiter, asks_of
from commonroom.limit.limit import (
    FOUNDINGS,
    LETTERS,
    LIMITS,
    LOCAL,
    LOGINS,
    LOGINS_OF_STRANGERS,
    ROOMS_FOUNDED,
    ROOMS_OF_GUESTS,
    ROOMS_OF_GUESTS_BY_ADDRESS,
    SEARCHES,
    Part,
    cap_of,
    key_of,
)
from commonroom.limit.limiter import Verdict

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US


class Time:
    """Microseconds that pass when told."""

    def __init__(self) -> None:
        self.now_us = 10**12

    def __call__(self) -> int:
        return self.now_us


class Door:
    """Logins at one limiter."""

    def __init__(self, scale: float = 1.0) -> None:
        self.time = Time()
        self.limiter = Limiter(scale, now_us=self.time)

    async def knock(self, account: str, address: str) -> Verdict:
        asks = [
            Ask(LOGINS, f"{account} at {address}"),
            Ask(LOGINS_OF_STRANGERS, account, f"{account} at {address}"),
        ]
        return await self.limiter.take(asks, f"{account} at {address}")

    async def granted(self, account: str, address: str, tries: int) -> int:
        return sum([(await self.knock(account, address)).wait_us == 0 for _ in range(tries)])


@pytest.fixture
def door() -> Door:
    return Door()


async def test_five_at_once_then_one_every_twelve_seconds(door: Door) -> None:
    assert await door.granted("ada", "here", 100) == 5
    assert (await door.knock("ada", "here")).wait_us == 12_000_000
    door.time.now_us += 12_000_000
    assert await door.granted("ada", "here", 100) == 1


async def test_T16_strangers_together_are_slowed_and_the_owner_is_not(door: Door) -> None:
    await door.limiter.remember("ada at home")
    assert sum([await door.granted("ada", f"address {number}", 5) for number in range(20)]) == LOGINS_OF_STRANGERS.amount
    assert (await door.knock("ada", "another")).wait_us == LOGINS_OF_STRANGERS.period_s * 1_000_000 // LOGINS_OF_STRANGERS.amount
    assert await door.granted("ada", "home", 5) == 5
    assert await door.granted("bob", "address 1", 5) == 5


async def test_an_address_is_familiar_for_thirty_days(door: Door) -> None:
    await door.limiter.remember("ada at home")
    for days, granted in ((29, True), (2, False)):
        door.time.now_us += days * 24 * 60 * MINUTE_US
        await door.granted("ada", "a", 5)
        for number in range(10):
            await door.granted("ada", f"{days} {number}", 5)
        assert ((await door.knock("ada", "home")).wait_us == 0) is granted


async def test_what_one_limit_refuses_uses_nothing_of_the_others(door: Door) -> None:
    await door.granted("ada", "here", 100)
    assert sum([await door.granted("ada", f"address {number}", 5) for number in range(20)]) == LOGINS_OF_STRANGERS.amount - 5


async def test_an_answer_tells_what_is_left(door: Door) -> None:
    first = await door.knock("ada", "here")
    assert [(one.limit.name, one.remaining, one.full_us) for one in first.standings] == [
        ("login", 4, 12_000_000),
        ("login-account", 19, 180_000_000),
    ]
    await door.granted("ada", "here", 4)
    refused = await door.knock("ada", "here")
    assert [one.remaining for one in refused.standings] == [0, 15]
    assert refused.standings[0].full_us == MINUTE_US


async def test_answers_are_counted(door: Door) -> None:
    await door.granted("ada", "here", 7)
    stats = door.limiter.stats
    assert (stats.granted, stats.refused, stats.shared, stats.away) == (5, 2, 0, 0)
    assert door.limiter.keys == 2


@pytest.mark.parametrize(("scale", "granted"), [(10.0, 50), (0.5, 2), (0.001, 1)])
async def test_the_scale_multiplies_every_limit(scale: float, granted: int) -> None:
    limiter = Limiter(scale, now_us=Time())
    assert sum([(await limiter.take([Ask(LETTERS, "ada")])).wait_us == 0 for _ in range(100)]) == granted


async def test_without_limits_everything_is_granted() -> None:
    door = Door(scale=0)
    await door.limiter.remember("ada at here")
    assert await door.granted("ada", "here", 1000) == 1000
    assert door.limiter.refusal([Ask(LOGINS, "ada")]) is None


async def test_P11_each_refusal_doubles_the_wait_of_what_refuses() -> None:
    time = Time()
    limiter = Limiter(now_us=time)
    kept, other = Ask(ROOMS_OF_GUESTS, "ada"), Ask(ROOMS_OF_GUESTS_BY_ADDRESS, "home")
    asked = [await limiter.take([kept, Ask(ROOMS_OF_GUESTS_BY_ADDRESS, str(number))]) for number in range(9)]
    hours = [verdict.wait_us / HOUR_US for verdict in asked]
    assert hours == [0, 0, 1, 2, 4, 8, 16, 24, 24]
    assert (await limiter.take([Ask(ROOMS_OF_GUESTS, "bob"), other])).wait_us == 0
    time.now_us += 24 * HOUR_US
    assert (await limiter.take([kept, other])).wait_us == 0


async def test_what_doubles_is_never_refused_unasked() -> None:
    limiter = Limiter(now_us=Time())
    for _ in range(3):
        await limiter.take([Ask(ROOMS_OF_GUESTS, "ada")])
    assert limiter.refusal([Ask(ROOMS_OF_GUESTS, "ada")]) is None


async def test_what_doubles_is_foreseen_and_foreseeing_changes_nothing() -> None:
    limiter, kept = Limiter(now_us=Time()), Ask(ROOMS_OF_GUESTS, "ada")
    assert not any(limiter.foresees([kept]) for _ in range(5))
    for _ in range(2):
        await limiter.take([kept])
    assert all(limiter.foresees([kept]) for _ in range(5))
    assert (await limiter.take([kept])).wait_us == HOUR_US
    assert not Limiter(0).foresees([kept])


def test_a_limit_is_asked_of_whom_it_counts() -> None:
    subject: dict[Part, str] = {"session": "s", "user": "u", "address": "a"}
    kinds: list[ActorType] = ["guest", "user"]
    names = {who: [ask.limit.name for ask in asks_of((*FOUNDINGS, SEARCHES, LETTERS), subject, who)] for who in kinds}
    assert names == {"guest": ["room-guest", "room-guest-address", "search"], "user": ["room-user", "search"]}


PERIODS = {1: "a second", 5: "in 5 s", 10: "in 10 s", 60: "a minute", 900: "in 15 minutes", 3600: "an hour", 86400: "a day"}
PARTS = {"session": "login session"}


def _row(limit: Limit) -> str:
    by = " and ".join(PARTS.get(part, part) for part in limit.by)
    marks = [
        mark for mark, holds in (("strangers", limit.is_of_strangers), (f"{limit.of}s", limit.of), ("doubles", limit.longest_s)) if holds
    ]
    return f"| `{limit.name}` | {limit.amount} {PERIODS[limit.period_s]} | {by}" + (f" ({', '.join(marks)})" if marks else "")


def test_the_documentation_says_what_is_counted() -> None:
    said = (Path(__file__).parents[2] / "docs" / "SECURITY.md").read_text()
    rows = [line for line in said.partition("## How often")[2].partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert [row.rpartition(" | ")[0] for row in rows] == [_row(limit) for limit in (*LIMITS, *LOCAL)]
    assert all(f"{amount} for a {kind}" in said for kind, amount in ROOMS_FOUNDED.items())


def test_names_are_unique_and_amounts_make_sense() -> None:
    names = [limit.name for limit in (*LIMITS, *LOCAL)]
    assert len(names) == len(set(names))
    assert all(limit.amount >= 1 and limit.period_s >= 1 and limit.by for limit in (*LIMITS, *LOCAL))


@pytest.mark.parametrize(("scale", "cap"), [(0.0, None), (0.001, 1), (1.0, 200), (10.0, 2000), (1e5, None)])
def test_the_scale_multiplies_caps_until_counting_would_cost_too_much(scale: float, cap: int | None) -> None:
    assert cap_of(200, scale) == cap


def test_a_key_is_short_tells_nothing_in_clear_and_keeps_its_parts_apart() -> None:
    key = key_of(("account", "address"), {"account": "ada@example.org" * 100, "address": "10.0.0.1"})
    assert len(key) == 32
    assert key_of(("account", "address"), {"account": "ab", "address": "c"}) != key_of(
        ("account", "address"), {"account": "a", "address": "bc"}
    )
