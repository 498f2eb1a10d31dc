"""Pauses between the lives of a worker."""

from hypothesis import given
from hypothesis import strategies as st

from commonroom.ids import seeded
from commonroom.supervisor.backoff import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Backoff


def _pauses(count: int, seed: int = 1) -> list[float]:
    backoff = Backoff(seeded(seed))
    return [backoff.after(1.0) for _ in range(count)]


def test_the_first_death_is_followed_by_no_pause() -> None:
    assert _pauses(1) == [0.0]


def test_pauses_double_up_to_the_longest() -> None:
    longest = [min(FIRST_PAUSE_S * 2.0**power, LONGEST_PAUSE_S) for power in range(1, 40)]
    assert longest[-1] == LONGEST_PAUSE_S
    for pause, bound in zip(_pauses(40)[1:], longest, strict=True):
        assert bound / 2 <= pause <= bound


def test_a_steady_life_forgets_the_early_deaths() -> None:
    backoff = Backoff(seeded(1))
    assert [backoff.after(lived) for lived in (1.0, STEADY_S, 1.0)] == [0.0, 0.0, 0.0]
    assert backoff.after(STEADY_S - 0.1) > 0


def test_those_that_died_together_do_not_start_together() -> None:
    assert len({_pauses(5, seed)[-1] for seed in range(8)}) == 8


@given(st.integers(), st.lists(st.floats(0, 1e6), max_size=50))
def test_a_pause_is_nothing_or_within_its_bounds(seed: int, lives: list[float]) -> None:
    backoff = Backoff(seeded(seed))
    for lived in lives:
        pause = backoff.after(lived)
        assert pause == 0 or FIRST_PAUSE_S <= pause <= LONGEST_PAUSE_S
        assert pause == 0 or lived < STEADY_S
