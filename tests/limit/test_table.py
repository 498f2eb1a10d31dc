"""The table of keys: decides as GCRA does, forgets what has passed, and stays within its capacity."""

from hypothesis import given
from hypothesis import strategies as st

from commonroom.limit.gcra import Rate, take
from commonroom.limit.table import Table


@given(
    st.builds(Rate, st.integers(1, 1000), st.integers(1, 5), st.just(0)), st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("abc")))
)
def test_it_decides_as_gcra_does_for_each_key(rate: Rate, tries: list[tuple[int, str]]) -> None:
    table, tats, now = Table(rate), dict.fromkeys("abc", 0), 10**6
    for step, key in tries:
        now += step
        wait, (tats[key],) = take([(rate, tats[key])], now)
        assert max(table.wait_us(key, now), 0) == wait
        if wait == 0:
            table.grant(key, now)


@given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("abc"))))
def test_P11_a_refusal_doubles_the_wait_of_its_key_alone(tries: list[tuple[int, str]]) -> None:
    table, tats, now = Table(Rate(500, 2, 9000)), dict.fromkeys("abc", 0), 10**6
    for step, key in tries:
        now += step
        wait, (tats[key],) = take([(table.rate, tats[key])], now)
        (table.refuse if wait else table.grant)(key, now)
        assert [max(table.tat_us(one) - now, 0) for one in "abc"] == [max(tats[one] - now, 0) for one in "abc"]


def test_it_never_holds_more_than_its_capacity_and_forgets_the_oldest_first() -> None:
    table = Table(Rate(1_000_000, 5), capacity=100)
    for number in range(1000):
        table.grant(str(number), now_us=number)
    assert len(table) == 100
    assert [table.tat_us(str(number)) > 0 for number in (899, 900, 999)] == [False, True, True]


def test_who_goes_on_is_not_the_oldest() -> None:
    table = Table(Rate(1_000_000, 5), capacity=3)
    for key in ("busy", "a", "b", "busy", "c"):
        table.grant(key, now_us=1)
    assert table.tat_us("busy") == 2_000_001
    assert table.tat_us("a") == 0


def test_what_has_passed_goes_as_others_come() -> None:
    table = Table(Rate(10, 1))
    for number in range(1000):
        table.grant(f"old {number}", now_us=0)
    for number in range(500):
        table.grant(f"new {number}", now_us=1000)
    assert len(table) == 500
