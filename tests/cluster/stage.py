"""A few nodes and people in rooms of a chosen owner: for scenes that are played by hand, on virtual time."""

from collections.abc import Callable
from typing import Self

from commonroom.actors.user.actor import UserActor
from commonroom.config.settings import ClusterSettings, EngineSettings
from commonroom.engine.address import slot_of
from commonroom.engine.cluster.placement import place
from commonroom.engine.gateway.status import StatusPorts
from commonroom.engine.testing.cluster.client import ClusterClient
from commonroom.engine.testing.cluster.node import Node
from commonroom.engine.testing.cluster.world import ClusterWorld
from tests.cluster.hall import Hall
from tests.cluster.verdict import Verdict

__all__ = ["Stage"]

PATIENCE_S = 60.0


class Stage:
    """Use as a context manager. Faults are the world's: `world.kill`, `world.network.cut`, `world.redis.wipe` …"""

    def __init__(
        self,
        nodes: int = 3,
        *,
        engine: EngineSettings | None = None,
        cluster: ClusterSettings | None = None,
        one_host: bool = True,
        status: StatusPorts | None = None,
    ) -> None:
        kinds = {"room": Hall, "user": UserActor}
        self.world = ClusterWorld(kinds, 0, engine=engine, cluster=cluster, one_host=one_host, status=status)
        self.nodes = [self.world.start(f"n{number}") for number in range(1, nodes + 1)]
        self.people: list[ClusterClient] = []
        self.verdict = Verdict(self.world, self.people, self.world)

    def __enter__(self) -> Self:
        """All are there, have what they should have, and no quiet period is left."""
        self.until(lambda: all(node.ready for node in self.nodes))
        self.world.advance(3 * self.world.settings.ttl_s)
        self.until(self.settled)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.world.close()

    def until(self, done: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        """Let time pass until something is so.

        Raises:
            AssertionError: it is not, in time.
        """
        assert self.world.run_until(done, limit_s), self.verdict.ills()

    def settled(self) -> bool:
        """Each slot is open where it should be."""
        targets = place(node.cluster.membership.member for node in self._alive)
        return all(node.cluster.ownership.epoch_here(slot) for node in self._alive for slot in _of(targets, node.id))

    def room(self, owner: Node, heir: Node | None = None) -> str:
        """A room of this owner; with `heir`: who should have it once the owner is gone."""
        members = [node.cluster.membership.member for node in self._alive]
        owners = place(members)
        heirs = place(member for member in members if member.id != owner.id)
        names = (f"r{number}" for number in range(100_000))
        return next(name for name in names if _is(owners, name, owner) and (heir is None or _is(heirs, name, heir)))

    def person(self, name: str, home: Node, *rooms: str) -> ClusterClient:
        """Somebody who stays at one node; in their rooms from the return on."""
        person = self.world.client(name, rooms)
        person.home = home
        self.people.append(person)
        self.until(lambda: all(room.joined for room in person.rooms.values()))
        return person

    def cut(self, node: Node, *servers: str) -> None:
        """Nothing passes between a node and these servers."""
        for server in servers:
            self.world.network.cut |= {(node.process.name, server), (server, node.process.name)}

    def well(self) -> None:
        """Faults end; wait until all is well and graces are over, then judge everything.

        Raises:
            AssertionError: something does not hold.
        """
        self.world.calm()
        self.until(lambda: not self.verdict.ills(), 90.0)
        self.world.advance(2 * self.world.settings.presence_grace_s + 10.0)
        self.verdict.check()

    @property
    def _alive(self) -> list[Node]:
        return [node for node in self.nodes if node.process.alive]


def _of(targets: tuple[str | None, ...], member: str) -> list[int]:
    return [slot for slot, target in enumerate(targets) if target == member]


def _is(owners: tuple[str | None, ...], room: str, node: Node) -> bool:
    return owners[slot_of(f"room/{room}")] == node.id
