"""The wheel with time by hand, on a loop that is turned by hand too."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from commonroom.engine.gateway.wheel import NEVER, TICK_S, Wheel
from tests.gateway.rig import Ticking


class Item:
    """Comes back each tick; `raises` once it is told to."""

    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self.bucket = NEVER
        self.visits = 0
        self.raises: BaseException | None = None
        wheel.watch(self, wheel.now_s)

    def tick(self, now_s: float) -> float | None:
        self.visits += 1
        if self.raises is not None:
            self.wheel.watch(self, now_s)
            raise self.raises
        return now_s


class Loop:
    """Holds the one call that a wheel asks for."""

    def __init__(self, time: Ticking) -> None:
        self.time = time
        self.armed: list[Callable[[], object]] = []

    def call_later(self, delay_s: float, call: Callable[..., object], *args: Any) -> None:
        assert delay_s == TICK_S
        self.armed.append(lambda: call(*args))

    def turn(self) -> None:
        """Let one tick of time pass."""
        self.time.elapsed_s += TICK_S
        (call,) = self.armed
        self.armed.clear()
        call()


@pytest.fixture
def loop() -> Loop:
    return Loop(Ticking())


@pytest.fixture
def wheel(loop: Loop) -> Wheel:
    wheel = Wheel(loop.time.monotonic)
    wheel.start(cast("asyncio.AbstractEventLoop", loop))
    return wheel


def test_an_item_that_raises_stops_neither_the_others_nor_the_next_turns(loop: Loop, wheel: Wheel) -> None:
    items = [Item(wheel) for _ in range(20)]
    broken = items[7]
    broken.raises = ConnectionResetError("the client left")
    with capture_logs() as lines:
        for _ in range(3):
            loop.turn()
    assert broken.visits == 1
    assert broken.bucket == NEVER
    assert [one.visits for one in items if one is not broken] == [3] * 19
    (line,) = lines
    assert (line["log_level"], line["event"], line["item"], line["error"]) == ("error", "tick_failed", "Item", "ConnectionResetError")
    assert line["exc_info"]


def test_a_turn_that_is_cut_short_is_not_the_last(loop: Loop, wheel: Wheel) -> None:
    item = Item(wheel)
    item.raises = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        loop.turn()
    wheel.forget(item)
    later = Item(wheel)
    loop.turn()
    assert later.visits == 1
