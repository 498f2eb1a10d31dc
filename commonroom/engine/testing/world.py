"""A host, its journal and its clients in virtual time, all from one seed.

Everything that is random (ids, delays, faults) comes from the seed, which stands in the
world's repr, so that a failing test tells how to repeat it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Self

from msgspec import Struct

from commonroom.config.settings import EngineSettings
from commonroom.engine.actor import Actor
from commonroom.engine.address import Address
from commonroom.engine.envelope import Envelope, Publication
from commonroom.engine.hold import LoadFacts
from commonroom.engine.host import ActorHost
from commonroom.engine.lease import Lease
from commonroom.engine.summary import Summaries
from commonroom.engine.testing.client import Client
from commonroom.engine.testing.journal import Faults, SimulatedJournal
from commonroom.engine.testing.loop import VirtualClock, VirtualLoop
from commonroom.ids import seeded
from commonroom.protocol.session import Reply
from commonroom.storage.summary import SummaryStore

__all__ = ["World"]

PATIENCE_S = 60.0
"""Virtual seconds after which an answer will not come."""


class World:
    """Use as a context manager, or call `close`: a leaked activation or task fails there."""

    def __init__(
        self,
        kinds: Mapping[str, Callable[[Address], Actor]],
        seed: int = 0,
        *,
        settings: EngineSettings | None = None,
        faults: Faults | None = None,
        load_facts: LoadFacts | None = None,
        lease: Lease | None = None,
        limits_scale: float = 0.0,
        summaries: SummaryStore | None = None,
    ) -> None:
        self.seed = seed
        self.random = seeded(seed)
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.journal = SimulatedJournal(seeded(f"journal {seed}"), faults)
        self.clients: list[Client] = []
        self.published: list[tuple[Address, Publication]] = []
        self.host: ActorHost
        self._kinds = kinds
        self._settings = settings or EngineSettings()
        self._load_facts = load_facts
        self._lease = lease
        self._limits_scale = limits_scale
        self._store = summaries
        self.summaries: Summaries
        self._lives = 0
        self._open()

    def __repr__(self) -> str:
        return f"World(seed={self.seed})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.loop.close()

    def client(self, name: str) -> Client:
        """A new person with one session."""
        client = Client(self, name)
        self.clients.append(client)
        return client

    def advance(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        self.loop.run_for(seconds)

    def run_until(self, done: Callable[[], bool], limit_s: float = PATIENCE_S) -> bool:
        """Run until `done()`; whether it came true in time."""
        return self.loop.run_until(done, limit_s)

    def settle(self) -> None:
        """Let what is under way finish."""
        self.run_until(lambda: self.journal.pending == 0)
        self.advance(0.05)

    def restart(self) -> None:
        """Kill the process and start it again on the same journal: nobody is told anything."""
        self.loop.run_until_complete(self.summaries.stop())
        self.loop.run_until_complete(self.host.crash())
        self.journal.crash()
        for client in self.clients:
            client.following.clear()
        self._open()

    def close(self) -> None:
        """End; nothing may be left running.

        Raises:
            AssertionError: an activation or a task outlived the host.
        """
        self.journal.resume()
        self.loop.run_until_complete(self.summaries.close())
        self.loop.run_until_complete(self.host.close())
        tasks = asyncio.all_tasks(self.loop)
        live = self.host.stats.live
        self.loop.close()
        assert not live, f"{live} activations are left ({self})"  # noqa: S101
        assert not tasks, f"tasks are left: {tasks} ({self})"  # noqa: S101

    def deliver(self, envelope: Envelope) -> None:
        """Hand an envelope to the host, on its loop."""
        self.loop.call_soon(self.host.deliver, envelope)

    def check_acked(self, address: Address, message: Struct) -> None:
        """An answer that names an event: it must be in the journal by now (I2)."""
        if isinstance(message, Reply) and message.offset:
            stream = self.journal.streams.get(str(address))
            assert stream is not None and stream.head >= message.offset, f"{address} acked {message} before its commit ({self})"  # noqa: PT018, S101

    # -- Subscribers -------------------------------------------------------------

    def publish(self, address: Address, publication: Publication) -> None:
        """Deliver to the clients that follow; a durable push must be in the journal by now (I2)."""
        if publication.offset:
            stream = self.journal.streams.get(str(address))
            stored = stream.events[publication.offset - 1].payload if stream and len(stream.events) >= publication.offset else None
            assert stored is not None, f"{address} showed {publication.offset} before its commit ({self})"  # noqa: S101
        self.published.append((address, publication))
        for client in self.clients:
            if address in client.following:
                client.pushed(publication)

    def activated(self, address: Address, activation: str, head: int) -> None:
        """Announce the followers again."""
        del activation, head
        for client in self.clients:
            if address in client.following:
                client.attach(address)

    def count(self, address: Address) -> int:
        """How many clients follow."""
        return sum(address in client.following for client in self.clients)

    def _open(self) -> None:
        self._lives += 1
        self.summaries = Summaries(self._store)
        random = seeded(f"host {self.seed} {self._lives}")
        self.host = ActorHost(
            self._settings,
            self.clock,
            self.journal,
            self,
            self._kinds,
            random,
            self._load_facts,
            lease=self._lease,
            limits_scale=self._limits_scale,
            summaries=self.summaries,
        )
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        await self.host.open()
        self.summaries.open()
