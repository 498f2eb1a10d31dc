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
    """`soon` runs a function later in this loop turn (`loop.call_soon`)."""

    settings: GatewaySettings
    clock: Clock
    router: Router
    reader: EventReader
    tasks: TaskGroup
    stats: Stats
    soon: Callable[[Callable[[], None]], Any]
