"""The slot table of the kit, and proof of death among processes of one machine."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from commonroom.engine.cluster.member import Member
from commonroom.engine.testing.cluster.network import Network
from commonroom.engine.testing.cluster.process import Process
from commonroom.engine.testing.journal import Faults, Store
from commonroom.errors import Unavailable
from commonroom.storage.slot_table import SlotOwner

__all__ = ["SimulatedNeighbours", "SimulatedTable"]

NOTICED_S = 0.01


class SimulatedTable:
    """Implements `SlotTable` over the store that all journals share."""

    def __init__(self, store: Store, network: Network, process: Process, faults: Faults) -> None:
        self._store = store
        self._network = network
        self._process = process
        self._faults = faults

    async def read(self) -> Sequence[SlotOwner]:
        return await self._network.ask(self._process, "postgres", self._store.rows, timeout_s=5.0)

    async def move(self, slots: Mapping[int, int], owner: str | None) -> Mapping[int, int]:
        if self._network.chance(self._faults.before_commit):
            raise Unavailable("simulated: the move was not sent")
        moved = await self._network.ask(self._process, "postgres", lambda: self._store.move(slots, owner), timeout_s=5.0)
        if self._network.chance(self._faults.after_commit):
            raise Unavailable("simulated: the move's answer was lost")
        return moved


class SimulatedNeighbours:
    """Implements `Neighbours`: a killed process is noticed after a moment."""

    def __init__(self, network: Network, process: Process, incarnations: Mapping[str, Process]) -> None:
        self._network = network
        self._process = process
        self._incarnations = incarnations
        self._watched: dict[str, None] = {}
        self._closed = False

    @property
    def path(self) -> str:
        return f"/{self._process.name}.sock"

    async def open(self) -> None:
        """The dead are found by their processes here."""

    def watch(self, members: Mapping[str, Member], on_dead: Callable[[str], None]) -> None:
        for name in sorted(members.keys() - self._watched.keys()):
            self._watched[name] = None
            if (process := self._incarnations.get(name)) is not None:
                process.when_dead(partial(self._network.later, NOTICED_S, self._notice, name, on_dead))

    def _notice(self, name: str, on_dead: Callable[[str], None]) -> None:
        if not self._closed:
            self._process.soon(on_dead, name)

    async def close(self) -> None:
        self._closed = True
