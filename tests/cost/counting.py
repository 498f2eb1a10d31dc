"""How many calls a piece of work makes: the same on every machine, whatever else runs there."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["calls", "calls_each"]


def calls(work: Callable[[], object]) -> int:
    """Calls of Python functions, and of C functions from Python, while `work` runs."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def calls_each(work: Callable[[int], Callable[[], object]], few: int = 20, many: int = 60) -> float:
    """What one more of something costs: `work(n)` prepares n of it and returns what to count."""
    return (calls(work(many)) - calls(work(few))) / (many - few)
