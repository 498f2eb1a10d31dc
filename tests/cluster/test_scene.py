"""Every scene holds; each is shown to fail with its mutant in `test_mutants.py`."""

from collections.abc import Callable

import pytest

from tests.cluster import scene


@pytest.mark.parametrize("name", scene.__all__)
def test_the_scene_holds(name: str) -> None:
    play: Callable[[], None] = getattr(scene, name)
    play()
