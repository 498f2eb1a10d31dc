"""What sessions and fan-outs share, wired once by the gateway."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from commonroom.clock import Clock
from commonroom.config.settings import GatewaySettings
from commonroom.engine.gateway.reading import EventReader
from commonroom.engine.gateway.stats import Stats
from commonroom.engine.router import Router
from commonroom.errors import Denied
from commonroom.identity import Authority, Principal
from commonroom.limit.gcra import Rate
from commonroom.tasks import TaskGroup

__all__ = ["AdmitCode", "AdmitFounder", "Surroundings"]

AdmitFounder = Callable[[Authority, str, str], Awaitable[None]]
"""(who, the address where they are, as limits count it, the room's id) → returns if they may found it.

Raises RateLimited, LimitExceeded: they may not; Unavailable: that cannot be told now.
"""

AdmitCode = Callable[[Authority, str], Awaitable[None]]
"""(who, the address as above) → returns if they may try an invite's code. Raises RateLimited: not now."""


class Surroundings(NamedTuple):
    """`soon` runs a function later in this loop turn, `later` after so many seconds (the loop's `call_soon`, `call_later`).

    `monotonic` is in seconds of an arbitrary origin. `denied` is told of every refusal that is to be audited: of whom, in which
    request, and the address as above.
    `visited` is told of each admission of somebody to a room.
    `events` is how many commands a connection may send; None: any number. `looks` is how often it may look at
    other users; None: any number. `admit_founder` None: everybody may found rooms. `admit_code` None: everybody may try codes.
    """

    settings: GatewaySettings
    clock: Clock
    router: Router
    reader: EventReader
    tasks: TaskGroup
    stats: Stats
    denied: Callable[[Denied, Authority | None, str, str], None]
    soon: Callable[[Callable[[], None]], Any]
    later: Callable[[float, Callable[[], None]], Any]
    monotonic: Callable[[], float]
    visited: Callable[[Principal, str], None]
    events: Rate | None = None
    looks: Rate | None = None
    admit_founder: AdmitFounder | None = None
    admit_code: AdmitCode | None = None
