"""Flags in virtual time: who has them, and from when on."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec
import pytest

from commonroom.config.settings import FlagSettings
from commonroom.engine.flag import FLAGS, FlagName, Flags, place_of
from commonroom.engine.notice import Notices
from commonroom.engine.testing.loop import VirtualClock, VirtualLoop
from commonroom.errors import Unavailable
from commonroom.identity import Principal
from commonroom.storage.repository.flag import FlagRow

PEOPLE = [Principal("user", f"{number:026d}") for number in range(2000)]


class Hall:
    """A table, and two nodes on it that tell each other."""

    def __init__(self, configured: float) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.rows: dict[str, FlagRow] = {}
        self.away = False
        self.deaf = False
        self.notices = [Notices(self.clock), Notices(self.clock)]
        for place, notices in enumerate(self.notices):
            notices.join(Line(self, 1 - place))
        self.here, self.there = (Flags(self, FlagSettings(live_list=configured), notices) for notices in self.notices)
        for notices, flags in zip(self.notices, (self.here, self.there), strict=True):
            self.do(self.opened(notices, flags))

    async def opened(self, notices: Notices, flags: Flags) -> None:
        notices.open()
        await flags.open()

    async def read(self) -> Sequence[FlagRow]:
        self.answer()
        return list(self.rows.values())

    async def set(self, name: str, share: float, at: int, by: str) -> None:
        self.answer()
        self.rows[name] = FlagRow(name, share, at, by)

    async def clear(self, name: str) -> None:
        self.answer()
        self.rows.pop(name, None)

    def answer(self) -> None:
        if self.away:
            raise Unavailable("away")

    def do(self, call: Any) -> None:
        self.loop.run_until_complete(call)

    def change(self, share: float | None) -> None:
        self.do(self.here.change("live_list", share, self.clock.now(), "root"))

    def close(self) -> None:
        for close in (self.here.close, self.there.close, *(notices.close for notices in self.notices)):
            self.do(close())
        self.loop.close()


class Line:
    """To the other node."""

    whole = True

    def __init__(self, hall: Hall, other: int) -> None:
        self._hall = hall
        self._other = other
        self.on_notice: Any = None
        self.on_gap: list[Any] = []

    def notify(self, topic: str, keys: Sequence[str]) -> None:
        if not self._hall.deaf:
            self._hall.notices[self._other].heard(topic, keys)


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall(100)
    yield hall
    hall.close()


def having(flags: Flags) -> set[Principal]:
    return {one for one in PEOPLE if flags.is_on("live_list", one)}


def test_P33_flags_are_the_settings_that_are_declared_for_them() -> None:
    assert tuple(field.name for field in msgspec.structs.fields(FlagSettings)) == FLAGS == get_args(FlagName)


def test_P33_an_admins_word_counts_on_every_node_at_once_and_until_it_is_taken_back(hall: Hall) -> None:
    assert having(hall.here) == having(hall.there) == set(PEOPLE)
    hall.change(0)
    assert having(hall.here) == set()
    hall.loop.run_for(0.01)
    assert having(hall.there) == set()
    share = hall.there.share("live_list")
    assert share.told is not None
    assert (share.per_cent, share.told.by) == (0, "root")
    hall.change(None)
    hall.loop.run_for(0.01)
    assert having(hall.there) == set(PEOPLE)
    assert hall.there.share("live_list").told is None


def test_P33_a_node_that_did_not_hear_of_it_reads_it_within_a_minute(hall: Hall) -> None:
    hall.deaf = True
    hall.change(0)
    hall.loop.run_for(2)
    assert having(hall.there) == set(PEOPLE)
    hall.loop.run_for(60)
    assert having(hall.there) == set()


def test_P33_a_node_whose_bus_is_broken_reads_it_within_two_seconds(hall: Hall) -> None:
    hall.deaf = True
    hall.change(0)
    hall.notices[1].doubt()
    hall.loop.run_for(2)
    assert having(hall.there) == set()


def test_P33_a_table_that_is_away_changes_nothing_and_is_read_later(hall: Hall) -> None:
    hall.away = True
    with pytest.raises(Unavailable):
        hall.change(0)
    hall.loop.run_for(5)
    assert having(hall.here) == set(PEOPLE)
    hall.away = False
    hall.rows["live_list"] = FlagRow("live_list", 0, 1, "root")  # it was written, and only the answer was lost
    hall.loop.run_for(2)
    assert having(hall.here) == having(hall.there) == set()


def test_P33_a_share_falls_on_the_same_people_on_all_nodes_and_a_larger_one_takes_it_from_nobody(hall: Hall) -> None:
    shares = [0.05, 1, 10, 25, 50, 99.99]
    before: set[Principal] = set()
    for share in shares:
        hall.change(share)
        hall.loop.run_for(0.01)
        now = having(hall.here)
        assert now == having(hall.there)
        assert before <= now
        expected = len(PEOPLE) * share / 100
        assert abs(len(now) - expected) <= 4 * (expected + 1) ** 0.5 + 1, share
        before = now
    assert before


def test_P33_other_flags_fall_on_other_people_and_places_never_change() -> None:
    one, other = ([place_of(name, person) for person in PEOPLE] for name in ("live_list", "another"))
    both = sum(first < 5000 and second < 5000 for first, second in zip(one, other, strict=True))
    assert 400 < both < 600
    assert [place_of("live_list", Principal(kind, "ada")) for kind in ("user", "guest")] == [463, 2619]


def test_P33_what_a_newer_version_calls_a_flag_means_nothing_here(hall: Hall) -> None:
    hall.rows["of_tomorrow"] = FlagRow("of_tomorrow", 50, 1, "root")
    hall.notices[0].tell("flag", ["of_tomorrow"])
    hall.loop.run_for(0.01)
    assert having(hall.here) == set(PEOPLE)


def test_P33_the_settings_say_how_many_have_it_where_no_admin_does() -> None:
    hall = Hall(0)
    assert having(hall.here) == set()
    assert hall.here.share("live_list") == (0, None)
    hall.close()
