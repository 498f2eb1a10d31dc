"""Word from node to node that the truth about some keys has changed in PostgreSQL (blocks, sanctions, flags).

    change ──► table ──► here: listeners ──► bus ──► every node: listeners, who read those keys again
                 └────── all read again after a gap of the bus, each second without it, once a minute ──────┘

A notice is best effort and carries no facts, so that it may be lost, doubled or late: what counts is in the
table. Whoever listens is told of what the bus may have lost within a second, so that a change is in force on
every node within two.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, Protocol

import structlog

from commonroom.clock import Clock
from commonroom.tasks import TaskGroup, pause

__all__ = ["Bus", "Notices", "Topic"]

log = structlog.get_logger(__name__)

Topic = Literal["block", "sanction", "flag", "listing", "status"]

TICK_S: Final = 1.0
REREAD_MS: Final = 60_000
DOUBT_MS: Final = 3_000
"""A gap is told at each tick for so long: a sender may learn of us a beat later than we of it."""

MAX_KEYS: Final = 500
"""Of one message to another node; more go in several."""


class Bus(Protocol):
    """The other nodes."""

    on_notice: Callable[[str, Sequence[str]], None]
    """Called with the topic and the keys that another node tells; the topic may be a newer version's."""
    on_gap: list[Callable[[], None]]
    """Each is called when something that others told may be lost, or there are others than before."""

    @property
    def whole(self) -> bool:
        """Whether what others tell arrives, as far as known."""
        ...

    def notify(self, topic: str, keys: Sequence[str]) -> None:
        """Tell all others, best effort."""
        ...


class Listener(NamedTuple):
    """Both are called on the loop and must neither block nor raise."""

    on_changed: Callable[[Sequence[str]], None]
    on_gap: Callable[[], None]


class Notices:
    """The notices of one node. Keeps nothing: what is not listened to is gone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._doubtful_until = 0
        self._told_at = clock.now()
        self._bus: Bus | None = None
        self._tasks = TaskGroup(self._crashed)

    def join(self, bus: Bus) -> None:
        """There are other nodes. Before `open`."""
        self._bus = bus
        bus.on_notice = self.heard
        bus.on_gap.append(self.doubt)

    def open(self) -> None:
        """Keep up with gaps from now on."""
        self._tasks.start("notices", self._run())

    async def close(self) -> None:
        """Stop. Safe to call twice."""
        await self._tasks.close()

    def listen(self, topic: Topic, on_changed: Callable[[Sequence[str]], None], on_gap: Callable[[], None]) -> None:
        """Hear of a topic.

        Args:
            on_changed: called with keys to read again, here or elsewhere changed; some perhaps for nothing.
            on_gap: called when everything is to be read again, at most once a second. Who cannot calls `doubt`.
        """
        self._listeners[topic].append(Listener(on_changed, on_gap))

    def tell(self, topic: Topic, keys: Sequence[str]) -> None:
        """The truth about these keys has changed: after the commit. Listeners here are called within, all other nodes are told."""
        self.heard(topic, keys)
        if self._bus is not None:
            for start in range(0, len(keys), MAX_KEYS):
                self._bus.notify(topic, keys[start : start + MAX_KEYS])

    def heard(self, topic: str, keys: Sequence[str]) -> None:
        """As another node says."""
        for listener in self._listeners.get(topic, ()):
            listener.on_changed(keys)

    def doubt(self) -> None:
        """Something may not be known here: listeners read everything again, from the next tick on."""
        self._doubtful_until = self._clock.now() + DOUBT_MS

    async def _run(self) -> None:
        while True:
            await pause(TICK_S)
            now = self._clock.now()
            if now < self._doubtful_until or now - self._told_at >= REREAD_MS or not (self._bus is None or self._bus.whole):
                self._told_at = now
                self._tell_of_gap()

    def _tell_of_gap(self) -> None:
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.on_gap()

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault; a node that no longer hears of changes would go on as before them."""
        log.error("notices_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._run())
