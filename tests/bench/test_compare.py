"""Goals are reached or missed by medians of one comparison."""

from commonroom.bench.compare.compare import Comparison, Standing, render
from commonroom.bench.compare.work import WORKS, Goal, Work

WORK = Work("w", "some work", "fanout", {}, {}, ("peer",), "deliveries", (Goal("peer", 2.0),))


def comparison(ours: list[float], theirs: list[float]) -> Comparison:
    standings = [Standing("w", "commonroom", ours), Standing("w", "peer", theirs)]
    return Comparison("command", "abc", "machine", "0", 3, 1.0, standings, ["other: it is not installed"])


def test_the_median_counts() -> None:
    text = render(comparison([1.0, 210.0, 900.0], [100.0, 1.0, 100.0]), [WORK])
    assert "ours is 2.10 x (meant: 2 x, reached)" in text
    assert "LEFT OUT: other: it is not installed" in text


def test_a_missed_goal_is_said() -> None:
    assert "(meant: 2 x, MISSED)" in render(comparison([190.0], [100.0]), [WORK])


def test_a_server_without_a_run_is_no_division_by_zero() -> None:
    assert "no run" in render(comparison([190.0], []), [WORK])


def test_every_goal_is_about_a_peer_that_takes_part() -> None:
    assert all(goal.peer in work.peers for work in WORKS for goal in work.goals)
