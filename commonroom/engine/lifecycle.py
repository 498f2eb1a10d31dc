"""The states of an activation, why it ends, and what all of a host share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from commonroom.clock import Clock
from commonroom.config.settings import EngineSettings
from commonroom.engine.envelope import Envelope, Subscribers
from commonroom.engine.hold import LoadFacts
from commonroom.engine.lease import Lease
from commonroom.engine.schedule import Deadlines
from commonroom.engine.summary import Touched
from commonroom.identity import Authority
from commonroom.ids import Random
from commonroom.storage.journal.port import Journal
from commonroom.tasks import TaskGroup

if TYPE_CHECKING:
    from commonroom.engine.activation import Activation

__all__ = ["NEXT", "End", "Keeper", "Runtime", "State", "Stats"]


class State(Enum):
    """Where an activation is; `NEXT` says where it may go."""

    LOADING = "loading"
    LIVE = "live"
    ENDING = "ending"
    ENDED = "ended"


NEXT = {
    State.LOADING: {State.LIVE, State.ENDED},
    State.LIVE: {State.ENDING, State.ENDED},
    State.ENDING: {State.ENDED},
    State.ENDED: set[State](),
}


class End(Enum):
    """Why an activation ended."""

    PASSIVATED = "passivated"  # idle, over the cap, or the host closes: nothing is left
    MOVED = "moved"  # the slot is another node's: what is left goes there
    DUPLICATE = "duplicate"  # the journal knew a key that we did not: reload, run again
    FAILED = "failed"  # state or journal cannot be trusted: what is left gets RETRY


class Stats(Struct):
    """Counts since the start, and `live`, the activations of now."""

    live: int = 0
    handled: int = 0
    refused: int = 0
    overflowed: int = 0
    commits: int = 0
    events: int = 0
    retries: int = 0
    delayed: int = 0
    duplicates: int = 0
    wakes: int = 0
    activated: int = 0
    passivated: int = 0
    failed: int = 0
    fenced: int = 0
    moved: int = 0


class Keeper(Protocol):
    """The host, as its activations see it."""

    vouched: Callable[[Authority], Authority]
    """What the edge says now of who sent a command that waited. Raises Unauthenticated: their login session has ended."""

    def ended(self, activation: "Activation", why: End, left: list[Envelope], known: tuple[str, int] | None) -> None:
        """The activation is over. `left` was not answered, in order; `known` is a duplicate's key and offset."""
        ...

    def became_live(self, activation: "Activation") -> None:
        """Loaded; the subscribers have been told, commands follow."""
        ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all activations of a host share."""

    settings: EngineSettings
    clock: Clock
    journal: Journal
    subscribers: Subscribers
    random: Random
    deadlines: Deadlines
    tasks: TaskGroup
    loop: asyncio.AbstractEventLoop
    stats: Stats
    load_facts: LoadFacts | None
    lease: Lease | None
    limits_scale: float
    """Of the limits that actors keep themselves, see `Actor.wait_ms`; 0: they are not asked."""
    keeper: Keeper
    touched: dict[Touched, None]
    """Where an activation notes that it did something, see `Summaries`."""
