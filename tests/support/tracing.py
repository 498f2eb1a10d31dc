"""Coverage where it shows something: what runs under its tracer takes up to three times as long.

It is off while tests are collected, in tests marked `untraced`, and in all but the first cases of a parametrized test, which
differ in their values rather than in the lines they reach. So the number that is told is a lower bound.
"""

import importlib
import pkgutil
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

import commonroom

__all__ = ["import_all", "mark_later_cases", "untraced"]

TRACED_CASES = 3
FOREIGN = "commonroom.bench.peers.servers"
"""Imports what only the compared servers have."""


@contextmanager
def untraced() -> Iterator[None]:
    """Without the tracer in this thread and in those that begin meanwhile."""
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        threading.settrace(of_threads)
        sys.settrace(tracer)
        _call()


def _call() -> None:
    """A tracer that is set begins with the next call: here, so that it sees the same frames end that it saw begin."""


def mark_later_cases(items: Iterable[pytest.Item]) -> None:
    """Mark all but the first cases of each test as `untraced`."""
    cases: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        cases[name] += 1
        if cases[name] > TRACED_CASES:
            item.add_marker("untraced")


def import_all() -> None:
    """Every module, under the tracer: what stands outside of functions runs only once."""
    for module in pkgutil.walk_packages(commonroom.__path__, "commonroom."):
        if not module.name.startswith(FOREIGN) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
