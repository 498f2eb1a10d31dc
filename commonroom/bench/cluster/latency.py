"""What it adds to a delivery that the reader is on another node than the room."""

import asyncio
from itertools import cycle

from commonroom.bench.cluster.reading import Outcome, Reading, Setting, quantile
from commonroom.bench.cluster.roamer import Roamer
from commonroom.bench.cluster.stage import NODES, staged
from commonroom.bench.load.pacing import pace
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.report.result import ms
from commonroom.bench.scenario.scenario import until
from commonroom.clock import monotonic_us
from commonroom.tasks import TaskGroup, pause

__all__ = ["latency"]

PER_S = 500.0
SECONDS = 10.0
SIZE_BYTES = 128
PATIENCE_S = 20.0
WARM_SEQUENCE = 3
"""Messages of each writer that do not count: the first makes caches warm."""
HERE, THERE = "delivery, owner's node", "delivery, another node"
"""Names in the tally."""


class _Arrivals:
    """When each message of a publisher came to a reader."""

    def __init__(self, reader: Roamer, publisher: int) -> None:
        self.moments_us: list[int] = []
        self._reader = reader
        self._publisher = publisher
        reader.on_progress = self._look

    def _look(self) -> None:
        news = self._reader.state.last.get(self._publisher, 0) - len(self.moments_us)
        if news > 0:
            self.moments_us += [monotonic_us()] * news


async def latency(setting: Setting) -> Outcome:
    """Durable messages at a constant rate; each room has a reader on its owner's node and one on another.

    What is added is told message by message: the commit, which both wait for, is in neither.
    """
    outcome = Outcome("latency", f"cross-node delivery, {PER_S:g} durable messages a second")
    async with staged(setting.raised) as stage:
        rooms, slots = await stage.rooms(setting.rooms), await stage.settled()
        publishers: list[Publisher] = []
        pairs: list[tuple[_Arrivals, _Arrivals]] = []
        for room in rooms:
            owner = slots.of(room) or 0
            writer = stage.reader(room, owner, "to the writer")
            publishers.append(Publisher(writer, stage.tally, SIZE_BYTES, closed_loop=False))
            here, there = stage.reader(room, owner, HERE), stage.reader(room, (owner + 1) % NODES, THERE)
            pairs.append((_Arrivals(here, writer.number), _Arrivals(there, writer.number)))
        await stage.enter()
        await _publish(publishers, SECONDS * setting.scale)
        outcome.failures = await stage.check()
        added_ms = [late_ms for pair in pairs for late_ms in _added_ms(*pair)]
        times = [(name, stage.tally.time(name)) for name in (HERE, THERE)]
        outcome.readings = [
            Reading("deliveries compared", len(added_ms), ""),
            *(Reading(f"{name}: p50", ms(taken, 0.5), "ms") for name, taken in times),
            *(Reading(f"{name}: p99", ms(taken, 0.99), "ms") for name, taken in times),
            Reading("added p50", quantile(added_ms, 0.5), "ms"),
            Reading("added p99", quantile(added_ms, 0.99), "ms", 5.0),
        ]
    return outcome


def _added_ms(here: _Arrivals, there: _Arrivals) -> list[float]:
    pairs = zip(here.moments_us[WARM_SEQUENCE:], there.moments_us[WARM_SEQUENCE:], strict=False)
    return [(later_us - earlier_us) / 1000 for earlier_us, later_us in pairs]


async def _publish(publishers: list[Publisher], seconds: float) -> None:
    stopping, tasks = asyncio.Event(), TaskGroup(lambda _name, _error: stopping.set())
    turns = cycle(publishers)
    for publisher in publishers:
        publisher.start()
    pacing = tasks.start("pace", pace(PER_S, lambda intended_us: next(turns).offer(intended_us), stopping))
    await pause(seconds)
    stopping.set()
    await pacing
    await until(lambda: all(publisher.is_done for publisher in publishers), PATIENCE_S)
