"""When Python looks for garbage: what has outlived one look is not looked at again, until memory has grown by much."""

import gc
from collections.abc import Callable, Iterator

import pytest

from commonroom.app.collector import Collector


class Ring:
    """Garbage that only refers to itself, once nobody else does."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def soon() -> list[Callable[[], None]]:
    """What is to be called in the loop's next turn."""
    return []


@pytest.fixture
def collector(soon: list[Callable[[], None]]) -> Iterator[Collector]:
    made = Collector(soon.append)
    made.open()
    yield made
    made.close()


def rings() -> int:
    gc.unfreeze()  # `get_objects` does not tell what is set aside
    found = sum(type(one) is Ring for one in gc.get_objects())
    gc.freeze()
    return found


@pytest.mark.usefixtures("collector")
def test_what_outlived_a_full_collection_is_not_looked_at_again() -> None:
    kept = [Ring() for _ in range(100)]
    gc.collect()
    assert not any(type(one) is Ring for one in gc.get_objects())
    kept.clear()
    gc.collect()
    assert rings() == 100


@pytest.mark.usefixtures("collector")
def test_what_came_since_is() -> None:
    for _ in range(100):
        Ring()
    gc.collect()
    assert rings() == 0


def test_all_is_looked_at_once_memory_has_grown_by_much(
    soon: list[Callable[[], None]], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [Ring() for _ in range(100)]
    gc.collect()
    kept.clear()
    assert soon == []
    monkeypatch.setattr("sys.getallocatedblocks", lambda: 10**9)
    gc.collect()
    gc.collect()
    assert len(soon) == 1, "once, and not in the midst of a collection"
    soon.pop()()
    assert rings() == 0
    gc.collect()
    assert soon == []


def test_it_is_left_to_python_again(soon: list[Callable[[], None]]) -> None:
    before = gc.get_threshold(), len(gc.callbacks)
    made = Collector(soon.append)
    made.open()
    made.close()
    assert (gc.get_threshold(), len(gc.callbacks), gc.get_freeze_count()) == (*before, 0)
