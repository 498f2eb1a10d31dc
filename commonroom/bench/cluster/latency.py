"""What it adds to a delivery that the reader is on another node than the room."""

import asyncio
from itertools import cycle

from commonroom.bench.cluster.reading import Outcome, Reading, Setting
from commonroom.bench.cluster.stage import NODES, staged
from commonroom.bench.load.pacing import pace
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.report.result import ms
from commonroom.bench.scenario.scenario import until
from commonroom.tasks import TaskGroup, pause

__all__ = ["latency"]

PER_S = 500.0
SECONDS = 10.0
SIZE_BYTES = 128
PATIENCE_S = 20.0
HERE, THERE = "delivery, owner's node", "delivery, another node"
"""Names in the tally."""


async def latency(setting: Setting) -> Outcome:
    """Durable messages at a constant rate; each room has a reader on its owner's node and one on another."""
    outcome = Outcome("latency", f"cross-node delivery, {PER_S:g} durable messages a second")
    async with staged(setting.raised) as stage:
        rooms, slots = await stage.rooms(setting.rooms), await stage.settled()
        publishers = []
        for room in rooms:
            owner = slots.of(room) or 0
            publishers.append(Publisher(stage.reader(room, owner, "to the writer"), stage.tally, SIZE_BYTES, closed_loop=False))
            stage.reader(room, owner, HERE)
            stage.reader(room, (owner + 1) % NODES, THERE)
        await stage.enter()
        await _publish(publishers, SECONDS * setting.scale)
        outcome.failures = await stage.check()
        here, there = stage.tally.time(HERE), stage.tally.time(THERE)
        added_ms = ms(there, 0.99) - ms(here, 0.99)
        outcome.readings = [
            Reading("deliveries to each kind of reader", there.count, ""),
            Reading("on the owner's node: p50", ms(here, 0.5), "ms"),
            Reading("on another node: p50", ms(there, 0.5), "ms"),
            Reading("on the owner's node: p99", ms(here, 0.99), "ms"),
            Reading("on another node: p99", ms(there, 0.99), "ms"),
            Reading("added at p99", added_ms, "ms", 5.0),
        ]
    return outcome


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
