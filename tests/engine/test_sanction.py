"""Mutes and shadows in memory, in virtual time: who is marked with what, and what is read again when."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from commonroom.engine.notice import Notices
from commonroom.engine.sanction import Sanctions
from commonroom.engine.testing.loop import VirtualClock, VirtualLoop
from commonroom.errors import Unavailable
from commonroom.identity import Authority, Principal, SessionId
from commonroom.storage.repository.sanction import InForce

ADA = Authority(Principal("guest", "ada"), SessionId("ada"), "Ada", 2**50)
UMA = Authority(Principal("user", "uma"), SessionId("ada"), "Uma", 2**50, guests=("ada", "ida"))
BOB = Authority(Principal("user", "bob"), SessionId("bob-1"), "Bob", 2**50)


class Town:
    """One node over a table of rows."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.rows: list[InForce] = []
        self.reads = 0
        self.away = False
        self.told: list[set[str]] = []
        self.notices = Notices(self.clock)
        self.sanctions = Sanctions(self, self.clock, self.notices)
        self.sanctions.changed = lambda actors: self.told.append(set(actors))
        self.do(self.opened())

    async def opened(self) -> None:
        self.notices.open()
        await self.sanctions.open()

    async def in_force(self, now: int, limit: int) -> Sequence[InForce]:
        self.reads += 1
        if self.away:
            raise Unavailable("away")
        return [row for row in self.rows if row.until is None or row.until > now][:limit]

    def do(self, call: Any) -> None:
        self.loop.run_until_complete(call)

    def impose(self, *rows: InForce) -> None:
        self.rows.extend(rows)
        self.notices.tell("sanction", [row.actor for row in rows])
        self.loop.run_for(0.01)

    def standing(self, authority: Authority) -> tuple[str, int]:
        marked = self.sanctions.marked(authority)
        return marked.sanction, marked.sanction_until


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    yield town
    town.do(town.sanctions.close())
    town.do(town.notices.close())
    town.loop.close()


def test_nothing_stands_against_most_and_their_authority_stays_itself(town: Town) -> None:
    assert town.sanctions.marked(ADA) is ADA
    town.impose(InForce("mute", "bob", None, ()))
    assert town.sanctions.marked(ADA) is ADA
    assert town.standing(BOB) == ("mute", 0)


def test_it_stands_against_all_that_somebody_is_and_was(town: Town) -> None:
    town.impose(InForce("shadow", "ada", None, ()))
    assert town.standing(ADA) == town.standing(UMA) == ("shadow", 0)
    assert town.standing(BOB) == ("", 0)
    town.rows.clear()
    town.impose(InForce("mute", "uma", None, ("ada", "ida")))
    assert town.standing(ADA) == town.standing(UMA) == ("mute", 0)
    assert town.told == [{"ada"}, {"uma", "ada", "ida"}]


def test_of_several_a_mute_counts_then_the_longest(town: Town) -> None:
    soon, later = town.clock.now() + 1000, town.clock.now() + 5000
    town.impose(InForce("shadow", "uma", None, ()), InForce("mute", "ada", soon, ()), InForce("mute", "ida", later, ()))
    assert town.standing(UMA) == ("mute", later)
    assert town.standing(ADA) == ("mute", soon)
    town.loop.run_for(5)
    assert town.standing(UMA) == ("shadow", 0)
    assert town.standing(ADA) == ("", 0)


def test_C9_a_shadow_behind_a_mute_counts_again_the_moment_the_mute_has_passed_though_nobody_is_told(town: Town) -> None:
    soon, later = town.clock.now() + 1000, town.clock.now() + 5000
    town.impose(InForce("shadow", "uma", None, ()), InForce("shadow", "bob", later, ()))
    town.impose(InForce("mute", "uma", soon, ("ada", "ida")), InForce("mute", "bob", soon, ()))
    uma, bob, told = town.sanctions.marked(UMA), town.sanctions.marked(BOB), len(town.told)
    assert [uma.stands(at) for at in (soon - 1, soon, later, 2**50)] == ["mute", "shadow", "shadow", "shadow"]
    assert [bob.stands(at) for at in (soon - 1, soon, later - 1, later)] == ["mute", "shadow", "shadow", ""]
    town.loop.run_for(1)
    assert (town.standing(uma), town.standing(bob)) == (("shadow", 0), ("shadow", later))
    assert len(town.told) == told


def test_C9_of_a_mute_and_a_shadow_without_end_the_shadow_is_left_when_the_mute_is_lifted(town: Town) -> None:
    town.impose(InForce("shadow", "uma", None, ()), InForce("mute", "uma", None, ()))
    marked = town.sanctions.marked(UMA)
    assert marked.stands(2**50) == "mute"
    del town.rows[1]
    town.impose()
    assert town.standing(marked) == ("shadow", 0)
    assert town.told[-1] == {"uma"}


def test_what_has_passed_by_the_clock_stands_no_longer_though_nothing_is_read(town: Town) -> None:
    until = town.clock.now() + 1000
    town.impose(InForce("mute", "ada", until, ()))
    marked, reads = town.sanctions.marked(ADA), town.reads
    assert marked.stands(until - 1) == "mute"
    assert marked.stands(until) == ""
    town.loop.run_for(1)
    assert town.sanctions.marked(marked) == ADA
    assert town.reads == reads


def test_a_mark_is_taken_off_with_what_stood(town: Town) -> None:
    town.impose(InForce("mute", "ada", None, ()))
    marked = town.sanctions.marked(ADA)
    town.rows.clear()
    town.impose()
    assert town.sanctions.marked(marked) == replace(ADA)
    assert town.told == [{"ada"}, {"ada"}]


def test_what_could_not_be_read_is_read_as_soon_as_it_can_be_and_counts_until_then(town: Town) -> None:
    town.impose(InForce("mute", "ada", None, ()))
    town.away = True
    town.impose(InForce("mute", "bob", None, ()))
    town.loop.run_for(30)
    assert (town.standing(ADA), town.standing(BOB)) == (("mute", 0), ("", 0))
    town.away = False
    town.loop.run_for(2)
    assert town.standing(BOB) == ("mute", 0)


def test_what_nobody_told_is_read_within_a_minute(town: Town) -> None:
    town.rows.append(InForce("mute", "ada", None, ()))
    town.loop.run_for(62)
    assert town.standing(ADA) == ("mute", 0)
    reads = town.reads
    town.loop.run_for(59)
    assert town.reads - reads <= 1
