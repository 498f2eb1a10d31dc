"""A node that dies or stands still: when its rooms and its sockets are served by others."""

import signal
from collections.abc import Sequence

from commonroom.bench.cluster.reading import Outcome, Reading, Setting, quantile
from commonroom.bench.cluster.stage import NODES, Stage, staged
from commonroom.bench.cluster.writer import Writer
from commonroom.bench.fault import stopped
from commonroom.bench.scenario.scenario import until
from commonroom.bench.target.process import signal_all
from commonroom.clock import monotonic_us
from commonroom.tasks import pause

__all__ = ["gateway", "stopped_node", "takeover", "takeover_by_ttl"]

VICTIM = NODES - 1
GAP_S = 0.05
WARM_S = 3.0
PATIENCE_S = 40.0
STOPPED_S = 15.0
SOCKETS = 1500
FOLLOWED = 3


async def takeover(setting: Setting) -> Outcome:
    """`kill -9` of a node whose neighbours notice it by their sockets."""
    outcome = Outcome("takeover", "kill -9 of an owner, first ack in its rooms, one host")
    await _takeover(setting, outcome, {}, 1000)
    return outcome


async def takeover_by_ttl(setting: Setting) -> Outcome:
    """The same where only its silence tells, as between hosts."""
    outcome = Outcome("takeover-by-ttl", "kill -9 of an owner, first ack in its rooms, as between hosts")
    await _takeover(setting, outcome, {"COMMONROOM_CLUSTER__NEIGHBOURS": "false"}, 7000)
    return outcome


async def _takeover(setting: Setting, outcome: Outcome, settings: dict[str, str], goal_ms: float) -> None:
    async with staged({**setting.raised, **settings}) as stage:
        rooms = await stage.rooms(setting.rooms, of=VICTIM)
        writers = [stage.writer(room, number % NODES, GAP_S) for number, room in enumerate(rooms)]
        on_victim = [writer for writer in writers if writer.person.at == VICTIM]
        elsewhere = [writer for writer in writers if writer.person.at != VICTIM]
        await stage.enter()
        stage.start()
        await pause(WARM_S)
        pid, moment_us = stage.server.worker_pids[VICTIM], monotonic_us()
        signal_all([pid], signal.SIGKILL)
        took_ms = await stage.answered(writers, moment_us, PATIENCE_S)
        outcome.readings = [
            Reading("rooms", len(took_ms), ""),
            Reading("first ack p50", quantile(took_ms, 0.5), "ms"),
            Reading("first ack p99", quantile(took_ms, 0.99), "ms", goal_ms),
            *_parts(moment_us, {"writer was on the dead node": on_victim, "writer was elsewhere": elsewhere}),
        ]
        await stage.server.replaced(VICTIM, pid)
        await stage.settled()
        outcome.failures = await stage.check()


def _parts(moment_us: int, parts: dict[str, list[Writer]]) -> list[Reading]:
    found = []
    for name, writers in parts.items():
        took_ms = [took_us / 1000 for writer in writers if (took_us := writer.first_after(moment_us)) is not None]
        if took_ms:
            found.append(Reading(f"  {name}: p50", quantile(took_ms, 0.5), "ms"))
            found.append(Reading(f"  {name}: p99", quantile(took_ms, 0.99), "ms"))
    return found


async def gateway(setting: Setting) -> Outcome:
    """`kill -9` of a node with a third of all sockets, each in several rooms."""
    outcome = Outcome("gateway", f"all sockets of a dead gateway back elsewhere, {FOLLOWED} rooms each")
    async with staged(setting.raised) as stage:
        rooms = await stage.rooms(setting.rooms)
        count = max(int(SOCKETS * setting.scale), NODES)
        travellers = [
            stage.traveller([rooms[(number + step) % len(rooms)] for step in range(FOLLOWED)], number % NODES) for number in range(count)
        ]
        for number, room in enumerate(rooms[: setting.rooms // 4]):
            stage.writer(room, number % NODES, 4 * GAP_S)
        cut = [traveller for traveller in travellers if traveller.at == VICTIM]
        await stage.enter()
        stage.start()
        await pause(WARM_S)
        pid, moment_us = stage.server.worker_pids[VICTIM], monotonic_us()
        signal_all([pid], signal.SIGKILL)
        await until(lambda: all(traveller.back_us > moment_us for traveller in cut), PATIENCE_S)
        back_ms = [(traveller.back_us - moment_us) / 1000 for traveller in cut if traveller.back_us > moment_us]
        outcome.readings = [
            Reading("sockets of the dead node", len(cut), ""),
            Reading("back in all rooms", len(back_ms), "", len(cut), at_least=True),
            Reading("back p50", quantile(back_ms, 0.5), "ms"),
            Reading("all back after", quantile(back_ms, 1.0) / 1000, "s", 10.0),
        ]
        await stage.server.replaced(VICTIM, pid)
        await stage.settled()
        outcome.failures = await stage.check()
    return outcome


async def stopped_node(setting: Setting) -> Outcome:
    """SIGSTOP of an owner for 15 s: others serve its rooms, and it writes nothing when it wakes."""
    outcome = Outcome("stopped-node", f"SIGSTOP of an owner for {STOPPED_S:g} s")
    async with staged(setting.raised) as stage:
        rooms = await stage.rooms(setting.rooms, of=VICTIM)
        writers = [stage.writer(room, number % NODES, GAP_S) for number, room in enumerate(rooms)]
        elsewhere = [writer for writer in writers if writer.person.at != VICTIM]
        await stage.enter()
        stage.start()
        await pause(WARM_S)
        before = await stage.counters(VICTIM)
        moment_us = monotonic_us()
        async with stopped([stage.server.worker_pids[VICTIM]]):
            await pause(STOPPED_S)
            moved = await _served_elsewhere(stage, rooms)
            served_ms = [took_us / 1000 for writer in elsewhere if (took_us := writer.first_after(moment_us)) is not None]
        woken_us = monotonic_us()
        await stage.answered(writers, woken_us, PATIENCE_S)
        await stage.settled()
        outcome.failures = await stage.check()
        fenced = (await stage.counters(VICTIM)).get("commonroom_journal_fenced_total", 0) - before.get("commonroom_journal_fenced_total", 0)
        outcome.readings = [
            Reading("its rooms that others owned meanwhile", moved, "", len(rooms), at_least=True),
            Reading("rooms with a writer elsewhere", len(elsewhere), ""),
            Reading("  of them acknowledged meanwhile", len(served_ms), "", len(elsewhere), at_least=True),
            Reading("  first ack p99", quantile(served_ms, 0.99), "ms", 7000),
            Reading("its writes that were refused on waking", fenced, ""),
        ]
    return outcome


async def _served_elsewhere(stage: Stage, rooms: Sequence[str]) -> int:
    slots = await stage.slots()
    return sum(slots.of(room) not in {VICTIM, None} for room in rooms)
