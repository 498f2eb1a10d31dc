"""The faults of a run follow from its seed alone."""

import pytest

from tests.chaos.plan import EXCLUSIVE, KINDS, MOST_AT_ONCE, NAMES, plan


@pytest.mark.parametrize("seed", range(20))
def test_one_seed_gives_one_sequence_of_faults(seed: int) -> None:
    assert plan(seed, 120) == plan(seed, 120)
    assert plan(seed, 120) != plan(seed + 1, 120)


@pytest.mark.parametrize("seed", range(20))
def test_at_most_three_faults_overlap_and_none_with_itself(seed: int) -> None:
    faults = plan(seed, 600)
    for fault in faults:
        under_way = [one for one in faults if one.at_s < fault.at_s < one.end_s]
        assert len(under_way) < MOST_AT_ONCE
        assert fault.name not in {one.name for one in under_way}
        assert fault.name not in EXCLUSIVE or EXCLUSIVE.isdisjoint(one.name for one in under_way)


def test_ten_minutes_bring_every_fault() -> None:
    assert {fault.name for fault in plan(1, 600)} == set(NAMES)


def test_faults_last_as_long_as_their_kind_says() -> None:
    for fault in plan(2, 600):
        least_s, most_s = KINDS[fault.name].lasts_s
        assert least_s <= fault.lasts_s <= most_s
