"""When Python looks for cycles of garbage (the `gc` module, CPython 3.11 and 3.12).

A full collection looks at everything that lives, with the loop standing still: 394 ms with 10,000 rooms (half a million
objects), again each time their number has grown by a quarter. So what has outlived one is set aside (`gc.freeze`), and the
next one looks at what came since: some 20,000 objects, below 10 ms. What is set aside and not used any more is freed by its
count of references, as ever; what ends here in numbers (activations, sessions) leaves no cycle behind. Other cycles stay
until memory has grown by as much again as there was and some more: then everything is looked at once.
"""

import gc
import sys
from collections.abc import Callable
from typing import Any, Final, Literal

__all__ = ["Collector"]

THRESHOLDS: Final = (700, 10, 3)
"""New objects, then collections of the younger generation, before one is collected: a full one for each 21,000."""

SPARE_BLOCKS: Final = 2_000_000
"""Some 200 MB."""


class Collector:
    """Of this process.

    Args:
        soon: the loop's `call_soon`.
    """

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._most = 0
        self._before = gc.get_threshold()

    def open(self) -> None:
        """Begin; what is there now is set aside."""
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._collected)
        self._look_at_all()

    def close(self) -> None:
        """Leave it to Python again."""
        gc.callbacks.remove(self._collected)
        gc.set_threshold(*self._before)
        gc.unfreeze()

    def _collected(self, phase: Literal["start", "stop"], info: dict[str, Any]) -> None:
        if phase == "start" or info["generation"] < 2:
            return
        gc.freeze()
        if sys.getallocatedblocks() > self._most:
            self._most = sys.maxsize  # once
            self._soon(self._look_at_all)

    def _look_at_all(self) -> None:
        self._most = sys.maxsize
        gc.unfreeze()
        gc.collect()
        self._most = 2 * sys.getallocatedblocks() + SPARE_BLOCKS
