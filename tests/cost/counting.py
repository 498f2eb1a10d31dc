"""How much a piece of work does, counted: the same on every machine, whatever else runs there.

Neither counter sees a loop that runs inside C (`map`, `sum`, `join`): count what comes out at its end.
A call of a class is no call to the interpreter's profiler, but it is a step.
"""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["calls", "each", "steps"]


def calls(work: Callable[[], object]) -> int:
    """Calls of Python functions, and of C functions from Python, while `work` runs; some 2 are the counter's."""
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


def steps(work: Callable[[], object]) -> int:
    """Bytecode instructions executed while `work` runs. A coverage tool sees nothing of it meanwhile."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def each(count: Callable[[Callable[[], object]], int], work: Callable[[int], Callable[[], object]], few: int = 20, many: int = 60) -> float:
    """What one more of something costs by `count`: `work(n)` prepares n of it and returns what to run.

    The first run does not count: it fills caches, and CPython 3.12 misses steps of code that it traces for the first time.
    Nor does what a garbage collection finalizes of tests before.
    """
    gc.disable()
    try:
        count(work(few))
        return (count(work(many)) - count(work(few))) / (many - few)
    finally:
        gc.enable()
