"""What sessions and fan-outs share, wired once by the gateway."""

from collections.abc import Callable
from typing import Any, NamedTuple

from commonroom.clock import Clock
from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.reading import EventReader
from commonroom.engine.gateway.stats import Stats
from commonroom.engine.router import Router
from commonroom.tasks import TaskGroup

__all__ = ["Surroundings"]


class Surroundings(NamedTuple):
    """`soon` runs a function later in this loop turn, `later` after so many seconds (the loop's `call_soon`, `call_later`).

    `monotonic` is in seconds of an arbitrary origin.
    """

    settings: GatewaySettings
    clock: Clock
    router: Router
    reader: EventReader
    tasks: TaskGroup
    stats: Stats
    soon: Callable[[Callable[[], None]], Any]
    later: Callable[[float, Callable[[], None]], Any]
    monotonic: Callable[[], float]
