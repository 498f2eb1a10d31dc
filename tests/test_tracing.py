"""Coverage looks away where it is told to, and back afterwards."""

import sys
from types import FrameType

import pytest

from tests.support.tracing import TRACED_CASES, untraced


def _first() -> None: ...


def _hidden() -> None: ...


def _last() -> None: ...


def test_what_runs_untraced_is_not_seen_and_what_follows_is() -> None:
    seen: list[str] = []

    def look(frame: FrameType, _event: str, _value: object) -> None:
        seen.append(frame.f_code.co_name)

    before = sys.gettrace()
    sys.settrace(look)
    try:
        _first()
        with untraced():
            _hidden()
        _last()
    finally:
        sys.settrace(before)
    assert [name for name in seen if name in {"_first", "_hidden", "_last"}] == ["_first", "_last"]


@pytest.mark.parametrize("case", range(TRACED_CASES + 2))
def test_the_first_cases_of_a_test_are_traced(request: pytest.FixtureRequest, case: int) -> None:
    assert (request.node.get_closest_marker("untraced") is None) == (case < TRACED_CASES)
