"""The scenarios, one file each."""

from typing import Any

from commonroom.bench.scenario.chat import Chat
from commonroom.bench.scenario.fanout import Fanout
from commonroom.bench.scenario.idle import Idle
from commonroom.bench.scenario.join_storm import JoinStorm
from commonroom.bench.scenario.listing import Listing
from commonroom.bench.scenario.mixed import Mixed, Soak
from commonroom.bench.scenario.presence import Presence
from commonroom.bench.scenario.request import Request
from commonroom.bench.scenario.resume_storm import ResumeStorm
from commonroom.bench.scenario.scenario import Scenario
from commonroom.bench.scenario.timers import Timers

__all__ = ["SCENARIOS"]

SCENARIOS: dict[str, type[Scenario[Any]]] = {
    kind.name: kind for kind in (Fanout, Chat, Request, JoinStorm, ResumeStorm, Idle, Timers, Presence, Listing, Mixed, Soak)
}
