"""The simulated network: who reaches whom, how long it takes, what is lost.

Everything between processes, Redis and PostgreSQL goes through here, so that one seed
decides all of it. A server's side of a call happens in nobody's process: a stopped
caller finds the answer when it goes on, and a killed one may have written all the same.
"""

from asyncio import AbstractEventLoop, timeout
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

from commonroom.engine.testing.cluster.process import Process
from commonroom.errors import Unavailable
from commonroom.ids import Random

__all__ = ["Conditions", "Network", "NodeWire"]

T = TypeVar("T")

CALL_TIMEOUT_S = 0.5
HUNG_S = 0.2
TICK_S = 1e-6
"""Timers of one moment fire in any order."""


@dataclass
class Conditions:
    """Probabilities of each misfortune, 0 to 1, and the delays of a way in seconds."""

    lost: float = 0.0
    repeated: float = 0.0
    reordered: float = 0.0
    delay_s: tuple[float, float] = (0.0002, 0.002)


class Network:
    """Ways between named ends. `cut` holds (from, to) pairs that nothing passes."""

    def __init__(self, loop: AbstractEventLoop, random: Random) -> None:
        self.conditions = Conditions()
        self.cut: set[tuple[str, str]] = set()
        self.hung: set[str] = set()
        self._loop = loop
        self._random = random
        self._outside = Context()
        self._last: dict[tuple[str, str], float] = {}

    def later(self, delay_s: float, action: Callable[..., object], *args: Any) -> None:
        """In nobody's process."""
        self._loop.call_at(self._loop.time() + delay_s, action, *args, context=self._outside.copy())

    def delay(self) -> float:
        """Of one way, once."""
        return self._random.uniform(*self.conditions.delay_s)

    def lets(self, origin: str, target: str) -> bool:
        """Whether something gets through now."""
        return (origin, target) not in self.cut and target not in self.hung

    def chance(self, probability: float) -> bool:
        """Whether it happens."""
        return probability > 0 and self._random.random() < probability

    def deliver(self, origin: str, target: str, action: Callable[..., object], *args: Any) -> None:
        """In order on each way, as TCP."""
        at = max(self._loop.time() + self.delay(), self._last.get((origin, target), 0.0) + TICK_S)
        self._last[origin, target] = at
        self.later(at - self._loop.time(), action, *args)

    def scatter(self, origin: str, target: str, action: Callable[..., object], *args: Any) -> None:
        """At most once, or twice, or late: what a bad bus may do."""
        if self.chance(self.conditions.lost):
            return
        if self.chance(self.conditions.repeated):
            self.later(self.delay() * 3, action, *args)
        if self.chance(self.conditions.reordered):
            self.later(self.delay() * 5, action, *args)
        else:
            self.deliver(origin, target, action, *args)

    async def ask(self, process: Process, server: str, execute: Callable[[], T], timeout_s: float = CALL_TIMEOUT_S) -> T:
        """A call: executed at the server if the way there is open, answered if the way back is.

        Raises:
            Unavailable: no answer in time; whether it was executed is unknown.
        """
        answer = self._loop.create_future()

        def arrive() -> None:
            if server in self.hung:
                self.later(HUNG_S, arrive)
            elif (process.name, server) not in self.cut:
                result = execute()
                if (server, process.name) not in self.cut:
                    self.deliver(server, process.name, come_back, result)

        def come_back(result: T) -> None:
            if not answer.done():
                answer.set_result(result)

        self.deliver(process.name, server, arrive)
        try:
            async with timeout(timeout_s):
                result: T = await answer
                return result
        except TimeoutError:
            raise Unavailable(f"simulated: {server} does not answer") from None


class NodeWire:
    """One process's way to PostgreSQL: implements `Wire` for its journal."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network = network
        self._process = process

    def later(self, delay_s: float, action: Callable[..., None], *args: Any) -> None:
        if self._network.lets(self._process.name, "postgres"):
            self._network.later(delay_s, action, *args)
        else:
            self._network.later(HUNG_S, self.later, delay_s, action, *args)

    def inside(self, action: Callable[..., None], *args: Any) -> None:
        self._process.soon(action, *args)

    async def ask(self, read: Callable[[], T]) -> T:
        return await self._network.ask(self._process, "postgres", read, timeout_s=5.0)
