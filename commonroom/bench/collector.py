"""Python's garbage collector, kept from being measured as somebody else's lateness."""

import gc
from typing import Final

__all__ = ["keep_quiet"]

ALLOCATIONS: Final = 100_000


def keep_quiet() -> None:
    """Collect now, and from now on seldom and without what there is: a full collection stops this process for 30 ms and more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 100, 100)
