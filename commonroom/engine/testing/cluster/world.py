"""Nodes, clients, Redis and PostgreSQL on virtual time, all from one seed."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from traceback import format_tb
from typing import Any

from commonroom.config.settings import ClusterSettings, EngineSettings
from commonroom.engine.actor import Actor
from commonroom.engine.address import SLOTS, Address
from commonroom.engine.gateway.status import StatusPorts
from commonroom.engine.testing.cluster.client import ClusterClient
from commonroom.engine.testing.cluster.network import Network
from commonroom.engine.testing.cluster.node import Node
from commonroom.engine.testing.cluster.process import Process, ProcessLoop
from commonroom.engine.testing.cluster.redis import SimulatedRedis
from commonroom.engine.testing.cluster.table import SimulatedNeighbours
from commonroom.engine.testing.journal import Faults, Store
from commonroom.ids import seeded
from commonroom.storage.journal.port import JournalEvent

__all__ = ["ClusterWorld"]

TEND_S = 0.25


class ClusterWorld:
    """Everything of one history. Its repr tells the seed."""

    def __init__(
        self,
        kinds: Mapping[str, Callable[[Address], Actor]],
        seed: int,
        *,
        engine: EngineSettings | None = None,
        cluster: ClusterSettings | None = None,
        one_host: bool = True,
        skew_ms: int = 0,
        limits_scale: float = 0.0,
        status: StatusPorts | None = None,
    ) -> None:
        self.seed = seed
        self.status = status
        self.limits_scale = limits_scale
        self.random = seeded(seed)
        self.loop = ProcessLoop()
        self.loop.set_exception_handler(self._failed)
        self.network = Network(self.loop, seeded(f"network {seed}"))
        self.faults = Faults()
        self.store = Store(epochs=dict.fromkeys(range(SLOTS), 0))
        self.settings = cluster or ClusterSettings()
        self.redis = SimulatedRedis(self.loop.time, self.settings.ttl_s)
        self.skew_ms = skew_ms
        self.incarnations: dict[str, Process] = {}
        self.nodes: list[Node] = []
        self.clients: list[ClusterClient] = []
        self.failures: list[str] = []
        self._engine = engine or EngineSettings()
        self._kinds = kinds
        self._one_host = one_host
        self._lives = 0
        self._heads: dict[str, list[tuple[float, int]]] = {}
        self.loop.call_soon(self._tend)

    def __repr__(self) -> str:
        return f"ClusterWorld(seed={self.seed})"

    # -- what a test does ------------------------------------------------------------------

    def start(self, name: str) -> Node:
        """A node begins its life."""
        self._lives += 1
        node = Node(self, name, self._lives, self._kinds, (self._engine, self.settings))
        self.nodes.append(node)
        return node

    def kill(self, node: Node) -> None:
        """SIGKILL; its clients notice."""
        node.process.kill()
        self.disconnect(node)

    def disconnect(self, node: Node) -> None:
        """The sockets of a node are closed."""
        for client in self.clients:
            if client.connection is not None and client.connection.node is node:
                connection = client.connection
                self.network.later(self.network.delay(), client.lost, connection)

    def client(self, name: str, rooms: tuple[str, ...], sid: str | None = None) -> ClusterClient:
        """Somebody who follows these rooms from now on; `sid` makes it a tab of somebody else's login session."""
        client = ClusterClient(self, name, rooms, sid)
        self.clients.append(client)
        return client

    def pick_node(self) -> Node | None:
        """A node that takes clients."""
        able = [node for node in self.nodes if node.connectable()]
        return self.random.choice(able) if able else None

    def advance(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        self.loop.run_for(seconds)

    def run_until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Run until `done()`; whether it came true in time."""
        return self.loop.run_until(done, limit_s)

    def calm(self) -> None:
        """No more faults: everything is whole and everybody goes on."""
        self.network.conditions = type(self.network.conditions)()
        self.network.cut.clear()
        self.network.hung.clear()
        for name, value in Faults().__dict__.items():
            object.__setattr__(self.faults, name, value)
        for node in self.nodes:
            node.process.go_on()

    def set_faults(self, **faults: float) -> None:
        """Of PostgreSQL; see `Faults`."""
        for name, value in replace(self.faults, **faults).__dict__.items():  # type: ignore[arg-type]
            object.__setattr__(self.faults, name, value)

    def close(self) -> None:
        """End it all. A task whose process was killed within its step cannot be ended: it is left to the collector."""
        for node in self.nodes:
            node.process.bury()
        self.loop.set_exception_handler(lambda _loop, _context: None)
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_for(0.0)
        for task in asyncio.all_tasks(self.loop):
            _never_begin(task)
        self.loop.close()

    # -- for its parts -----------------------------------------------------------------------

    def neighbours(self, process: Process) -> Callable[[str], SimulatedNeighbours] | None:
        """Proof of death, where all nodes are of one host."""
        return (lambda _me: SimulatedNeighbours(self.network, process, self.incarnations)) if self._one_host else None

    def crashed(self, name: str, error: BaseException) -> None:
        """A task of a node failed."""
        self.failures.append(f"{name}: {error!r}")

    def check_shown(self, room: str, offset: int, payload: bytes) -> None:
        """What a client is shown is committed (I2)."""
        stored = self._stored(room, offset)
        if stored is None or stored.payload != payload:
            self.failures.append(f"I2: {room} showed {offset}, stored is {stored}")

    def check_acked(self, room: str, offset: int, key: str) -> None:
        """What is acked is committed, where the answer says (I2)."""
        stored = self._stored(room, offset)
        if stored is None or stored.dedup != key:
            self.failures.append(f"I2: {room} acked {key} at {offset}, stored is {stored}")

    def check_head(self, room: str, offset: int) -> None:
        """A snapshot shows nothing beyond what is committed (I2)."""
        if offset and self._stored(room, offset) is None:
            self.failures.append(f"I2: the snapshot of {room} shows {offset}")

    def head_before_lease(self, room: str) -> int:
        """Where the room stood a lease ago: no answer may be older (I8)."""
        heads = self._heads.get(room, [])
        before_s = self.loop.time() - self.settings.ttl_s - 1.0
        place = bisect_right(heads, (before_s, 2**62))
        return heads[place - 1][1] if place else 0

    def _stored(self, room: str, offset: int) -> JournalEvent | None:
        stream = self.store.streams.get(f"room/{room}")
        return stream.events[offset - 1] if stream is not None and 0 < offset <= stream.head else None

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        where = "".join(format_tb(error.__traceback__)[-3:]) if isinstance(error, BaseException) else ""
        self.failures.append(f"{context['message']}: {error!r}\n{where}")

    def _tend(self) -> None:
        for stream, stored in self.store.streams.items():
            self._heads.setdefault(stream.partition("/")[2], []).append((self.loop.time(), stored.head))
        for client in self.clients:
            client.tend()
        self.loop.call_later(TEND_S, self._tend)


def _never_begin(task: "asyncio.Task[Any]") -> None:
    """Close the coroutine of a task whose process died before its first step."""
    coroutine = task.get_coro()
    if iscoroutine(coroutine) and getcoroutinestate(coroutine) == CORO_CREATED:
        coroutine.close()
