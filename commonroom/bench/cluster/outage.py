"""Redis and PostgreSQL away: what goes on, and when all is well again."""

import re
import signal
from pathlib import Path

from commonroom.bench.cluster.reading import Outcome, Reading, Setting, quantile
from commonroom.bench.cluster.stage import NODES, Stage, staged
from commonroom.bench.fault import stopped
from commonroom.bench.scenario.scenario import behind, until
from commonroom.bench.target.process import signal_all
from commonroom.clock import monotonic_us
from commonroom.errors import Unavailable
from commonroom.tasks import pause

__all__ = ["postgres", "redis"]

GAP_S = 0.05
WARM_S = 3.0
REDIS_S = 30.0
PATIENCE_S = 40.0
ACCEPTS = re.compile(rb"database system is ready to accept connections")


async def redis(setting: Setting) -> Outcome:
    """Redis stands still: rooms go on for those on their owner's node, others catch up afterwards."""
    lasting_s = REDIS_S * setting.scale
    outcome = Outcome("redis", f"Redis stopped for {lasting_s:g} s; writers on their room's node, a reader of each on another")
    async with staged(setting.raised) as stage:
        rooms, slots = await stage.rooms(setting.rooms), await stage.settled()
        for room in rooms:
            owner = slots.of(room) or 0
            stage.writer(room, owner, GAP_S)
            stage.reader(room, (owner + 1) % NODES, "delivery, other node")
        await stage.enter()
        stage.start()
        await pause(WARM_S)
        refused, dropped, acks = stage.refused(), stage.tally.dropped, _acks(stage)
        moment_us = monotonic_us()
        async with stopped(stage.server.redis_pids):
            await pause(lasting_s)
            failed = stage.refused() - refused + stage.tally.dropped - dropped
            written, sent = _acks(stage) - acks, stage.sent()
            slow_ms = max(writer.longest_silence_us(moment_us, monotonic_us()) for writer in stage.writers) / 1000
        woken_us = monotonic_us()
        complete = await until(lambda: not any(behind(person, sent) for person in stage.people), PATIENCE_S)
        outcome.readings = [
            Reading("same-node messages acknowledged", written, "", 1, at_least=True),
            Reading("same-node sends that failed", failed, "", 0),
            Reading("longest silence of a room", slow_ms, "ms"),
            Reading("all delivered on other nodes after", (monotonic_us() - woken_us) / 1e6 if complete else float("inf"), "s", 5.0),
        ]
        outcome.failures = await stage.check()
    return outcome


def _acks(stage: Stage) -> int:
    return sum(len(writer.acks) for writer in stage.writers)


async def postgres(setting: Setting) -> Outcome:
    """PostgreSQL crashes (SIGQUIT to its postmaster) and is started again."""
    outcome = Outcome("postgres", "PostgreSQL crashes and recovers: writes flow again")
    async with staged(setting.raised) as stage:
        for number, room in enumerate(await stage.rooms(setting.rooms)):
            stage.writer(room, number % NODES, GAP_S)
        await stage.enter()
        stage.start()
        await pause(WARM_S)
        log = stage.server.postgres_log
        starts, moment_us = _starts(log), monotonic_us()
        signal_all([_postmaster(stage)], signal.SIGQUIT)
        if not await until(lambda: _starts(log) > starts, PATIENCE_S):
            raise Unavailable("PostgreSQL was not started again")
        back_us = monotonic_us()
        took_ms = await stage.answered(stage.writers, back_us, PATIENCE_S)
        outcome.readings = [
            Reading("PostgreSQL away for", (back_us - moment_us) / 1e6, "s"),
            Reading("first ack in a room after it was back", quantile(took_ms, 0.0) / 1000, "s"),
            Reading("first ack in every room", quantile(took_ms, 1.0) / 1000, "s", 5.0),
        ]
        outcome.failures = await stage.check()
    return outcome


def _starts(log: Path) -> int:
    return len(ACCEPTS.findall(log.read_bytes()))


def _postmaster(stage: Stage) -> int:
    """The one of PostgreSQL's processes that the others are children of: it came first."""
    return stage.server.postgres_pids[0]
