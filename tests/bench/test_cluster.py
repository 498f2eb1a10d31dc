"""`commonroom bench` on a cluster: real nodes, real faults, and how its figures are read."""

import json
from pathlib import Path

import pytest

from commonroom.bench.cluster.reading import quantile
from commonroom.bench.cluster.stage import slot_of
from commonroom.bench.target.port import free_ports
from commonroom.engine.address import slot_of as engine_slot_of
from tests.bench.test_command import run

CHAT = ["--rooms=4", "--members=2", "--rate-per-s=80", "--quiet", "--json=-"]


@pytest.mark.process
@pytest.mark.usefixtures("outside_postgres")
async def test_two_nodes_are_measured_as_one_server_also_while_redis_stands_still() -> None:
    code, out, _ = await run("chat", "--nodes=2", "--seconds=3", "--fault=pause-redis", "--fault-s=1", *CHAT)
    result = json.loads(out)
    assert (code, result["failures"]) == (0, [])
    assert result["banner"]["nodes"] == 2
    server = result["server"]
    assert server["cpu_s"] > 0
    assert server["redis_cpu_s"] is not None
    assert server["redis_commands"] > 0
    assert server["gauges"]["commonroom_cluster_slots"] == 1024


@pytest.mark.process
@pytest.mark.usefixtures("outside_postgres")
async def test_what_was_acknowledged_survives_the_death_of_one_of_two_nodes() -> None:
    code, out, _ = await run("chat", "--nodes=2", "--seconds=3", "--fault=kill-node", *CHAT)
    result = json.loads(out)
    assert (code, result["failures"]) == (0, [])
    assert result["tally"]["flaws"] == {"lost": 0, "duplicated": 0, "reordered": 0, "corrupted": 0}
    assert result["server"]["cpu_s"] is None  # what the dead one had used is not known


@pytest.mark.process
async def test_a_figure_of_the_cluster_is_printed_with_its_goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONROOM_CLUSTER__TTL_S", "2")  # a new Redis is followed by a quiet period of twice that
    monkeypatch.setenv("COMMONROOM_CLUSTER__BEAT_S", "0.4")
    path = tmp_path / "figures.json"
    _, out, _ = await run("cluster", "--only=postgres", "--rooms=6", f"--json={path}")  # a goal may be missed on a busy machine
    assert "first ack in every room" in out
    assert "(meant: ≤ 5," in out
    assert "nothing lost, duplicated, reordered or corrupted" in out
    (figure,) = json.loads(path.read_text())
    assert figure["failures"] == []


async def test_nodes_are_only_for_a_server_that_is_started() -> None:
    code, _, err = await run("chat", "--nodes=2", "--url=http://127.0.0.1:9", "--quiet")
    assert code == 2
    assert "leave out --url" in err


def test_the_slot_of_a_room_is_the_engine_s() -> None:
    assert all(slot_of(room) == engine_slot_of(f"room/{room}") for room in ("a", "b", "01hxyz"))


def test_nothing_measured_reaches_no_goal() -> None:
    assert quantile([], 0.99) == float("inf")
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 1.0) == 3.0


def test_ports_in_a_row_are_below_those_of_outgoing_connections() -> None:
    first = free_ports(4)
    assert first > 0
    assert first + 3 < 32768
