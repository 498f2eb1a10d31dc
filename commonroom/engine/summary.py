"""Lazy state: what lists show of actors, at most two seconds late and never acknowledged (DESIGN 3).

    a command or wake is done ──► touched ──(each second)──► the summary, as of a head
                                                               │ once that head is committed
                                                               └──► one write a node, of what is not as written before

What nobody touches costs nothing. A summary waits for the commit of what it says: no list shows what is not
durable. What an ended activation left is written after it; what it lost with a crash, its next one writes. A write
names slots that are ours: of those that another node has by now the store takes nothing.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, Protocol

import structlog
from msgspec import Struct

from commonroom.engine.address import Address, slot_of_address
from commonroom.errors import CommonroomError, Unavailable
from commonroom.storage.summary import Summary, SummaryStore
from commonroom.tasks import TaskGroup, pause

__all__ = ["Summaries", "SummaryStats", "Touched"]

log = structlog.get_logger(__name__)

TICK_S: Final = 1.0

BATCH: Final = 1000
"""Summaries of one write."""

MAX_LEFT: Final = 10_000
"""Summaries of ended activations that wait while the database is away; of more the oldest are forgotten."""


class SummaryStats(Struct):
    """Counts since the start."""

    writes: int = 0
    summaries: int = 0
    failed: int = 0
    forgotten: int = 0


class Touched(Protocol):
    """An activation, as its summary needs it."""

    summarized: Struct | None
    """The summary that was written last; None: none by this activation."""

    @property
    def address(self) -> Address: ...

    @property
    def head(self) -> int:
        """The offset of the last event applied."""
        ...

    @property
    def committed(self) -> int | None:
        """The last durable offset; None: it is not live."""
        ...

    def summary(self) -> Struct | None:
        """What is to be written of the actor as it is now; None: nothing."""
        ...


class _Due(NamedTuple):
    """A summary as of a head; `activation` None: it has ended."""

    activation: Touched | None
    summary: Struct
    head: int = 0

    @property
    def is_durable(self) -> bool:
        return self.activation is None or ((committed := self.activation.committed) is not None and committed >= self.head)


class Summaries:
    """The summaries of one host.

    Args:
        store: None: nobody reads summaries.
    """

    def __init__(self, store: SummaryStore | None = None) -> None:
        self.touched: dict[Touched, None] = {}
        """Those that did something since they were looked at last. Activations add themselves."""
        self.on_written: Callable[[Sequence[str]], None] = _ignore
        """Called with the keys that readers are to read again."""
        self.stats = SummaryStats()
        self._store = store
        self._opened: dict[int, object] = {}
        self._waiting: dict[Address, _Due] = {}  # for the commit of their head
        self._left: dict[Address, Struct] = {}  # by activations that have ended
        self._tasks = TaskGroup(self._crashed)

    def open(self) -> None:
        """Begin to write."""
        if self._store is not None:
            self._tasks.start("summaries", self._run())

    async def close(self) -> None:
        """Stop, and write what there is if that can be done now. Safe to call twice."""
        await self.stop()
        await self.flush()

    async def stop(self) -> None:
        """As a killed process does: nothing is written any more."""
        await self._tasks.close()

    # -- for the host ------------------------------------------------------------

    def opened(self, slots: Iterable[int]) -> None:
        """These are ours now: nobody is present there until announced again."""
        if self._store is not None:
            self._opened.update({slot: object() for slot in slots})

    def closed(self, slots: Container[int]) -> None:
        """These are another's; their activations have ended."""
        self._opened = {slot: opening for slot, opening in self._opened.items() if slot not in slots}
        self._left = {address: summary for address, summary in self._left.items() if slot_of_address(address) not in slots}

    def ended(self, activation: Touched, *, cleanly: bool) -> None:
        """It is no more. What it did counts if it ended cleanly: all of it is durable then."""
        was_touched = activation in self.touched
        self.touched.pop(activation, None)
        if (due := self._waiting.get(activation.address)) is not None and due.activation is activation:
            del self._waiting[activation.address]
            was_touched = True
        if self._store is None or not (cleanly and was_touched):
            return
        summary = activation.summary()
        if summary is not None and summary != activation.summarized:
            self._leave(activation.address, summary)

    # -- writing -----------------------------------------------------------------

    async def flush(self) -> None:
        """Write what there is now; what cannot be written waits for the next time. Never raises."""
        if self._store is None:
            return
        is_full = True
        while is_full:
            batch = self._collect()
            is_full = len(batch) >= BATCH
            if (batch or self._opened) and not await self._write(self._store, batch):
                return

    async def _run(self) -> None:
        while True:
            await pause(TICK_S)
            await self.flush()

    def _collect(self) -> dict[Address, _Due]:
        """What is durable of all there is, at most a batch."""
        batch: dict[Address, _Due] = {}
        for address in list(islice(self._left, BATCH)):
            batch[address] = _Due(None, self._left.pop(address))
        for address, due in list(self._waiting.items()):
            if len(batch) < BATCH and due.is_durable:
                batch[address] = self._waiting.pop(address)
        for activation in list(self.touched):
            if len(batch) >= BATCH:
                break
            if activation.address not in self._waiting:
                self._look_at(activation, batch)
        return batch

    def _look_at(self, activation: Touched, batch: dict[Address, _Due]) -> None:
        del self.touched[activation]
        summary = activation.summary()
        if summary is None:
            activation.summarized = None  # whenever there is one again, it is news
            return
        if summary == activation.summarized:
            return
        due = _Due(activation, summary, activation.head)
        (batch if due.is_durable else self._waiting)[activation.address] = due

    async def _write(self, store: SummaryStore, batch: Mapping[Address, _Due]) -> bool:
        """Whether it was written, or never will be."""
        opened = dict(self._opened)
        try:
            changed = await store.write(opened, [_row(address, due.summary) for address, due in batch.items()])
        except Unavailable as error:
            log.warning("summaries_wait", summaries=len(batch), reason=str(error))
            self._put_back(batch)
            return False
        except CommonroomError as error:  # one of them is refused, and lists are not worth finding out which
            log.warning("summaries_refused", summaries=len(batch), reason=str(error))
            self.stats.failed += len(batch)
            changed = ()
        self._opened = {slot: opening for slot, opening in self._opened.items() if opened.get(slot) is not opening}
        self.stats.writes += 1
        self.stats.summaries += len(batch)
        for due in batch.values():
            if due.activation is not None:
                due.activation.summarized = due.summary
        if changed:
            self.on_written(changed)
        return True

    def _put_back(self, batch: Mapping[Address, _Due]) -> None:
        for address, due in batch.items():
            if due.activation is not None and due.activation.committed is not None:
                self.touched[due.activation] = None
            elif address not in self._left:  # what was left meanwhile is newer
                self._leave(address, due.summary)

    def _leave(self, address: Address, summary: Struct) -> None:
        self._left[address] = summary
        if len(self._left) > MAX_LEFT:
            del self._left[next(iter(self._left))]
            self.stats.forgotten += 1

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault; lists must not stand still for it."""
        log.error("summaries_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._run())


def _row(address: Address, summary: Struct) -> Summary:
    return Summary(address.key, slot_of_address(address), summary)


def _ignore(_keys: object) -> None:
    pass
