"""Three nodes as real processes: under the faults of a seed, and restarted one after another."""

from pathlib import Path

import pytest

from tests.chaos.run import Run, Size

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

FAULTS_S = 15.0
LONGEST_WAIT_S = 3.0


def _verdict(run: Run) -> str:
    told = "\n".join(run.failures)
    return f"seed {run.seed}; node logs in {run.world.folder}; replay: SEED={run.seed} SECONDS={FAULTS_S:g} make chaos\n{told}"


async def test_a_cluster_under_faults_keeps_every_promise(seed: int, made_data: Path) -> None:
    run = Run(seed, Size(people=10, rooms=4, timers=1), print, made_data)
    await run.play(FAULTS_S)
    assert not run.failures, _verdict(run)
    assert run.ledger.counts["acked"] > 0


async def test_a_rolling_restart_loses_nothing_and_nobody_waits_long(seed: int, made_data: Path) -> None:
    run = Run(seed + 1, Size(people=10, rooms=4, timers=1), print, made_data)  # its nodes are neighbours, those above are not

    async def roll() -> None:
        for node in run.world.nodes[:3]:
            await node.leave()
            await node.start()
            run.say(f"{node.name} restarted")

    await run.play_with(roll)
    assert not run.failures, _verdict(run)
    assert [node.starts for node in run.world.nodes] == [2, 2, 2, 0]
    assert run.ledger.longest_wait_s <= LONGEST_WAIT_S
