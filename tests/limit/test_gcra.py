"""GCRA against a bucket whose tokens are counted one by one, in fractions."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from commonroom.limit.gcra import Rate, take

RATES = st.builds(Rate, st.integers(1, 10**7), st.integers(1, 50), st.just(0))
STEPS = st.lists(st.integers(0, 2 * 10**7), max_size=60)
"""Microseconds from one try to the next."""


class Bucket:
    """Starts full; one token flows in each interval; a try takes a whole one or none."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.tokens, self.at = rate, Fraction(rate.burst), 0

    def fill(self, now: int) -> None:
        self.tokens = min(Fraction(self.rate.burst), self.tokens + Fraction(now - self.at, self.rate.interval_us))
        self.at = now

    def take(self, now: int) -> int:
        """0, or how long to wait."""
        self.fill(now)
        if self.tokens >= 1:
            self.tokens -= 1
            return 0
        return int((1 - self.tokens) * self.rate.interval_us)


@given(RATES, STEPS)
def test_it_decides_as_a_bucket_of_tokens_does(rate: Rate, steps: list[int]) -> None:
    bucket, tat, now = Bucket(rate), 0, 10**9
    bucket.at = now
    for step in steps:
        now += step
        wait, (tat,) = take([(rate, tat)], now)
        assert wait == bucket.take(now)
        assert rate.remaining(tat, now) == int(bucket.tokens)


@given(RATES, STEPS)
def test_no_window_grants_more_than_the_burst_and_what_flows_in(rate: Rate, steps: list[int]) -> None:
    granted: list[int] = []
    tat, now = 0, 10**9
    for step in steps:
        now += step
        wait, (tat,) = take([(rate, tat)], now)
        granted += [] if wait else [now]
    for first, begin in enumerate(granted):
        for last, end in enumerate(granted[first:], first):
            assert last - first + 1 <= rate.burst + (end - begin) // rate.interval_us


@given(RATES, st.integers(0, 200), st.integers(0, 10**7))
def test_T16_tries_that_are_refused_do_not_extend_the_wait(rate: Rate, tries: int, pause: int) -> None:
    now = 10**9
    tat = 0
    for _ in range(rate.burst):
        _, (tat,) = take([(rate, tat)], now)
    wait, _ = take([(rate, tat)], now)
    for one in range(tries):
        again, (same,) = take([(rate, tat)], now + min(pause, wait - 1) * one // max(tries, 1))
        assert again > 0
        assert same == tat
    assert take([(rate, tat)], now + wait - 1)[0] == 1
    assert take([(rate, tat)], now + wait)[0] == 0


@given(st.integers(1, 10**7), st.integers(1, 20), st.integers(0, 12))
def test_P11_each_refusal_doubles_the_wait_up_to_the_longest(interval: int, burst: int, tries: int) -> None:
    rate, now = Rate(interval, burst, 100 * interval), 10**12
    tat = 0
    for _ in range(burst):
        assert take([(rate, tat)], now) == (0, [rate.after(tat, now)])
        tat = rate.after(tat, now)
    waits = []
    for _ in range(tries):
        wait, (tat,) = take([(rate, tat)], now)
        waits.append(wait)
    assert waits == [min(interval * 2**number, rate.longest_us) for number in range(1, tries + 1)]
    if waits:
        assert take([(rate, tat)], now + waits[-1] - 1)[0] == 2  # a microsecond too early, and that twice
        assert take([(rate, tat)], now + waits[-1])[0] == 0
    assert rate.remaining(tat, now) == 0


@given(st.integers(1, 10**6), st.integers(1, 5), st.lists(st.integers(0, 10**7), max_size=40))
def test_P11_whoever_waits_as_told_is_granted_and_nobody_gets_more_than_the_rate(interval: int, burst: int, steps: list[int]) -> None:
    rate, plain = Rate(interval, burst, 50 * interval), Rate(interval, burst)
    tat = other = 0
    now, due = 10**12, 0
    for step in steps:
        now = max(now + step, due) if step % 2 else now + step
        wait, (tat,) = take([(rate, tat)], now)
        assert not (due and now >= due and wait)
        if wait == 0:
            assert plain.wait_us(other, now) <= 0
            other = plain.after(other, now)
        due = now + wait if wait else 0


def test_only_those_that_refuse_double() -> None:
    now, full, empty = 10**12, Rate(1000, 1, 10**6), Rate(1000, 1, 10**6)
    assert take([(full, now + 1000), (empty, 0), (Rate(500, 1), now + 500)], now) == (2000, [now + 2000, 0, now + 500])


@given(st.lists(st.tuples(RATES, st.integers(-(10**8), 10**8)), min_size=1, max_size=5))
def test_several_are_granted_together_or_not_at_all(cells: list[tuple[Rate, int]]) -> None:
    now = 10**9
    placed = [(rate, now + ahead) for rate, ahead in cells]
    wait, tats = take(placed, now)
    alone = [take([cell], now) for cell in placed]
    if any(each_wait for each_wait, _ in alone):
        assert (wait, tats) == (max(each_wait for each_wait, _ in alone), [tat for _, tat in placed])
    else:
        assert (wait, tats) == (0, [tat for _, (tat,) in alone])


@given(RATES, st.integers(1, 10**12))
def test_a_clock_that_was_set_back_costs_one_interval_at_most(rate: Rate, back: int) -> None:
    now = 10**13
    wait, _ = take([(rate, now + rate.span_us + back)], now)
    assert wait == rate.interval_us
