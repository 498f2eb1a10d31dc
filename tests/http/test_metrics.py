"""What /metrics tells of a node, and that the figures people are told to watch are there (FEATURES P32)."""

import io
import json
import re
from pathlib import Path

import pytest

from commonroom.app import Node
from tests.http.admin import peer_of
from tests.http.api import Account, Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATIONS = Path(__file__).parents[2] / "docs" / "OPERATIONS.md"
ROW = re.compile(r"^\| [^|]+ \| ([^|]+) \|", re.MULTILINE)
NAME = re.compile(r"`(commonroom_|…_)([a-z0-9_]+)`")
OF_CLUSTERS = ("commonroom_redis_", "commonroom_cluster_")


async def read(api: Api, node: Node) -> dict[str, float]:
    """Every figure without labels."""
    page = await api.call("GET", "/metrics", url=f"http://127.0.0.1:{node.settings.http.metrics_port}")
    assert page.status == 200
    rows = (line.rpartition(" ") for line in page.body.decode().splitlines() if not line.startswith("#") and "{" not in line)
    return {name: float(value) for name, _, value in rows}


def watched() -> list[str]:
    """The names of the table, `…_x` standing for the area of the name before."""
    section = OPERATIONS.read_text().partition("## What to watch")[2].partition("\n## ")[0]
    names: list[str] = []
    for cell in ROW.findall(section):
        for begin, rest in NAME.findall(cell):
            area = "_".join(names[-1].split("_")[:2]) + "_" if begin == "…_" else begin
            names.append(area + rest)
    return names


async def test_P32_every_figure_that_is_to_be_watched_is_told(api: Api, node: Node) -> None:
    figures = await read(api, node)
    names = [name for name in watched() if not name.startswith(OF_CLUSTERS)]
    assert len(names) >= 15
    missing = [name for name in names if not {name, f"{name}_count"} & figures.keys() and not re.search(r"_closes_\d+_total", name)]
    assert missing == []


async def test_P32_what_a_message_costs_is_counted(api: Api, node: Node, ada: Account) -> None:
    room = await api.room(ada)
    peer = await peer_of(api, ada)
    await peer.request("room.join", room=room)
    before = await read(api, node)
    for number in range(3):
        await peer.request("message.send", room=room, text="hello", nonce=f"nonce-000{number}")
    after = await read(api, node)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["commonroom_engine_events_total"] >= 3
    assert grown["commonroom_gateway_commands_total"] >= 3
    assert grown["commonroom_gateway_deliveries_total"] >= 3
    assert grown["commonroom_storage_writes_total"] >= 3
    assert grown["commonroom_journal_wait_seconds_count"] >= 3
    assert grown["commonroom_journal_call_seconds_count"] >= 3
    assert after["commonroom_gateway_connections"] >= 1
    await peer.close()


async def test_P33_a_node_that_starts_says_which_backfills_wait(node: Node, log: io.StringIO) -> None:
    await node._storage.tell_of_jobs()
    assert "job_needed" not in log.getvalue()
    database = node._storage.database
    await database.execute(
        """
        INSERT INTO room (room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id)
        VALUES ('of-an-older-version', 'study', 'Old', '', 'en', 'unlisted', 1, 'user', 'ada')
        """
    )
    await node._storage.tell_of_jobs()
    await database.execute("DELETE FROM room WHERE room = 'of-an-older-version'")
    (line,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "job_needed"]
    assert (line["level"], line["run"]) == ("warning", "commonroom jobs run room-words")
