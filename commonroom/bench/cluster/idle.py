"""What followed rooms cost the cluster while nobody says anything."""

from typing import Final

from commonroom.bench.cluster.reading import Outcome, Reading, Setting
from commonroom.bench.cluster.stage import NODES, Stage, staged
from commonroom.tasks import pause

__all__ = ["idle"]

ROOMS = 2000
FOLLOWED = 50
SECONDS = 30.0
SETTLE_S = 12.0
"""Beyond one interval of digests, which tell once what has moved."""
COUNTERS: Final = {"Redis commands": "commonroom_redis_commands_total", "SQL statements": "commonroom_storage_statements_total"}


async def idle(setting: Setting) -> Outcome:
    """The same cluster without any room, then with many that are followed."""
    count = int(ROOMS * setting.scale)
    outcome = Outcome("idle", f"{count} idle followed rooms over {NODES} nodes")
    async with staged(setting.raised) as stage:
        without = await _per_s(stage, setting)
        rooms = await stage.rooms(count)
        for place in range(NODES):
            for first in range(0, count, FOLLOWED):
                stage.traveller(rooms[first : first + FOLLOWED], place)
        await stage.enter()
        with_rooms = await _per_s(stage, setting)
        outcome.failures = await stage.check()
    for name in COUNTERS:
        outcome.readings += [
            Reading(f"{name} a second, no room", without[name], ""),
            Reading(f"{name} a second, {count} rooms", with_rooms[name], ""),
            Reading("  added by them", with_rooms[name] - without[name], "a second", max(0.5, without[name] / 20)),
        ]
    return outcome


async def _per_s(stage: Stage, setting: Setting) -> dict[str, float]:
    await pause(SETTLE_S)
    before = await stage.all_counters()
    await pause(SECONDS * setting.scale)
    after = await stage.all_counters()
    return {name: (after[metric] - before[metric]) / (SECONDS * setting.scale) for name, metric in COUNTERS.items()}
