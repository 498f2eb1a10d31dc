"""Each mutant of the engine is caught: the check of the checks (DESIGN 10)."""

from collections.abc import Callable

import pytest

from tests.cluster import scene
from tests.cluster.history import run
from tests.cluster.mutant import MUTANTS, Mutant


@pytest.mark.untraced
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_mutant_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    catch = MUTANTS[mutant]
    with pytest.raises(AssertionError, match=catch.saying):
        _histories(catch.by) if isinstance(catch.by, int) else _scene(catch.by)


def _scene(name: str) -> None:
    play: Callable[[], None] = getattr(scene, name)
    play()


def _histories(count: int) -> None:
    for seed in range(count):
        run(seed)
