"""Fixed buckets: small error, nothing forgotten, sums are sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from commonroom.bench.load.histogram import Histogram

durations = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(durations, st.floats(0, 1))
def test_a_quantile_is_never_below_the_exact_one_and_at_most_a_thirty_second_above(values: list[int], share: float) -> None:
    exact = next(value for place, value in enumerate(sorted(values), 1) if place >= share * len(values))
    assert exact <= filled(values).quantile_us(share) <= exact * (1 + 1 / 32)


@given(st.lists(st.integers(0, 63), min_size=1), st.floats(0, 1))
def test_below_64_microseconds_a_quantile_is_exact(values: list[int], share: float) -> None:
    assert filled(values).quantile_us(share) in values


@given(durations, durations)
def test_adding_up_is_the_same_as_recording_all(first: list[int], second: list[int]) -> None:
    assert filled(first).add(filled(second)) == filled(first + second)


@given(durations)
def test_nothing_is_forgotten_on_the_way_from_a_worker(values: list[int]) -> None:
    found = json.decode(json.encode(filled(values)), type=Histogram)
    assert found == filled(values)
    assert (found.count, sum(found.counts.values()), found.max_us) == (len(values), len(values), max(values))
    assert found.mean_us == pytest.approx(sum(values) / len(values))


def test_one_duration_many_times_is_that_many_durations() -> None:
    many = Histogram()
    many.record(1000, times=3)
    assert many == filled([1000, 1000, 1000])


def test_a_duration_below_zero_counts_as_none() -> None:
    assert filled([-5]) == filled([0])


def test_an_empty_one_has_no_quantile_but_answers() -> None:
    assert (Histogram().quantile_us(0.99), Histogram().mean_us) == (0, 0.0)
