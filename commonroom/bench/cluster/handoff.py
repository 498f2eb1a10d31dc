"""Nodes that stop as they should: how long a room is silent while it moves."""

import asyncio
import signal

from commonroom.bench.cluster.reading import Outcome, Reading, Setting, quantile
from commonroom.bench.cluster.stage import NODES, Slots, Stage, staged
from commonroom.bench.cluster.writer import Writer
from commonroom.bench.target.process import signal_all
from commonroom.clock import monotonic_us
from commonroom.tasks import pause

__all__ = ["handoff"]

GAP_S = 0.03
WARM_S = 3.0
REST_S = 1.0
LOOK_S = 0.05
PATIENCE_S = 30.0
DRAIN_S = 4.0


class _Part:
    """From one settled state to the next."""

    def __init__(self, stage: Stage, slots: Slots) -> None:
        self._writers = stage.writers
        self._slots = slots
        self._began_us = monotonic_us()
        self._lives = [writer.person.lives for writer in stage.writers]

    def silences_ms(self, slots: Slots) -> list[float]:
        """The longest silence of each room that has moved since and whose writer has kept its socket."""
        ended_us = monotonic_us()
        stayed = [writer for writer, lives in zip(self._writers, self._lives, strict=True) if writer.person.lives == lives]
        moved = [writer for writer in stayed if self._has_moved(writer, slots)]
        return [writer.longest_silence_us(self._began_us, ended_us) / 1000 for writer in moved]

    def _has_moved(self, writer: Writer, slots: Slots) -> bool:
        room = writer.person.room
        return slots.epoch(room) != self._slots.epoch(room)


async def handoff(setting: Setting) -> Outcome:
    """Each node in turn ends by SIGTERM and is replaced."""
    outcome = Outcome("handoff", "nodes end one after the other (SIGTERM) and come back: silence of rooms that move, writer's socket kept")
    async with staged({**setting.raised, "COMMONROOM_CLUSTER__DRAIN_S": f"{DRAIN_S:g}"}) as stage:
        for number, room in enumerate(await stage.rooms(setting.rooms)):
            stage.writer(room, number % NODES, GAP_S)
        await stage.enter()
        stage.start()
        await pause(WARM_S)
        out_ms: list[float] = []
        back_ms: list[float] = []
        for place in range(NODES):
            before = await stage.settled()
            part, pid = _Part(stage, before), stage.server.worker_pids[place]
            signal_all([pid], signal.SIGTERM)
            without = await _without(stage, place)
            out_ms += part.silences_ms(without)
            part = _Part(stage, without)
            await stage.server.replaced(place, pid)
            after = await stage.settled()
            await pause(REST_S)  # a silence that began with the last move has ended by then
            back_ms += part.silences_ms(after)
        outcome.failures = await stage.check()
        all_ms = [*out_ms, *back_ms]
        outcome.readings = [
            Reading("moves seen from a kept socket", len(all_ms), ""),
            Reading("silence p50", quantile(all_ms, 0.5), "ms"),
            Reading("silence p99", quantile(all_ms, 0.99), "ms", 200),
            Reading("  away from the node that ends: p99", quantile(out_ms, 0.99), "ms"),
            Reading("  to the node that came: p99", quantile(back_ms, 0.99), "ms"),
            *await _batches(stage),
            Reading("commands answered RETRY", stage.refused(), ""),
            Reading("round trip without a move", _calm_ms(stage), "ms"),
        ]
    return outcome


async def _without(stage: Stage, place: int) -> Slots:
    """Wait until this node has no slot any more; what another node then sees."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await pause(LOOK_S)
            slots = await stage.slots((place + 1) % NODES)
            if slots.settled and place not in slots.places.values():
                return slots


async def _batches(stage: Stage) -> list[Reading]:
    """What the nodes themselves say of closing and opening a batch of slots; those that have ended are not heard."""
    counters = await stage.all_counters()
    found = []
    for name, total, times in (("closing", "closing_s", "closings"), ("opening", "opening_s", "openings")):
        seconds, count = (counters.get(f"commonroom_cluster_slots_{key}_total", 0.0) for key in (total, times))
        found.append(Reading(f"  {name} a batch of slots, mean", 1000 * seconds / max(count, 1), "ms"))
    return found


def _calm_ms(stage: Stage) -> float:
    """The median, between two acknowledgements of a room, without the gap that the writer leaves."""
    took = [(ack.acked_us - ack.sent_us) / 1000 for writer in stage.writers for ack in writer.acks]
    return quantile(took, 0.5)
