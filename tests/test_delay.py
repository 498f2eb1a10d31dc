"""Histograms of waits."""

from commonroom.delay import BOUNDS_S, Delays


def test_a_wait_is_counted_below_the_first_bound_that_it_does_not_exceed() -> None:
    delays = Delays()
    for seconds in (0.0, 0.001, 0.0011, 5.0, 5.1):
        delays.note(seconds)
    assert delays.counts == [2, 1, *[0] * (len(BOUNDS_S) - 3), 1, 1]
    assert (round(delays.total_s, 4), delays.last_s) == (10.1021, 5.1)


def test_several_are_added_up() -> None:
    one, other = Delays(), Delays()
    one.note(0.5)
    other.note(0.5)
    other.note(9.0)
    whole = Delays.together([one, other])
    assert (sum(whole.counts), whole.counts[BOUNDS_S.index(0.5)], whole.counts[-1]) == (3, 2, 1)
    assert (whole.total_s, whole.last_s) == (10.0, 9.0)
    assert sum(Delays.together([]).counts) == 0
