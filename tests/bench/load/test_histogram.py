"""Fixed buckets: small error, nothing forgotten, sums are sums."""

from hypothesis import given
from hypothesis import strategies as st

from commonroom.bench.load.histogram import Histogram
from commonroom.bench.load.payload import MIN_BYTES, Mark, compose, parse

durations = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(durations, st.floats(0.01, 1))
def test_a_quantile_is_within_a_thirtieth(values: list[int], share: float) -> None:
    exact = next(value for place, value in enumerate(sorted(values), 1) if place >= share * len(values) - 1e-9)
    assert exact <= filled(values).quantile_us(share) <= exact * (1 + 1 / 30) + 1


@given(durations, durations)
def test_adding_up_is_the_same_as_recording_all(first: list[int], second: list[int]) -> None:
    assert filled(first).add(filled(second)) == filled(first + second)


def test_an_empty_one_has_no_quantile_but_answers() -> None:
    assert (Histogram().quantile_us(0.99), Histogram().mean_us) == (0, 0.0)


@given(st.integers(0, 2**20), st.integers(1, 2**30), st.integers(0, 2**44), st.integers(MIN_BYTES, 400))
def test_a_payload_tells_what_it_was_made_of(publisher: int, sequence: int, intended_us: int, size: int) -> None:
    text = compose(publisher, sequence, intended_us, size)
    assert parse(text) == Mark(publisher, sequence, intended_us)
    assert len(text) >= size


@given(st.integers(0, 99), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_payload_with_one_other_character_is_recognised(place: int, other: str) -> None:
    text = compose(3, 17, 123456, 100)
    changed = text[:place] + other + text[place + 1 :]
    assert parse(changed) is None or changed == text
