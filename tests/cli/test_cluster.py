"""`cluster status`: what is asked, what is printed, and the one line when nobody answers."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from commonroom.cli.cluster import admin_url, fetch, parse, table
from commonroom.config.settings import HttpSettings
from commonroom.engine.cluster.status import ClusterStatus, MemberStatus
from commonroom.errors import Unavailable
from commonroom.http.metrics import build_metrics
from tests.support.server import run_cli

STATUS = ClusterStatus(
    node="b",
    quiet=False,
    lease_margin_ms=4200,
    members=[
        MemberStatus("b", "worker-2", "box", "1.0", 2.0, here=True, slots=600),
        MemberStatus("a", "worker-1", "box", "1.0", 0.0, here=False, slots=24, state="draining"),
    ],
    moving=list(range(10)),
    unowned=400,
    lane_rows=3,
    bus_queued_bytes=17,
    loop_lag_ms=0.44,
    epochs={"0": 1, "1": 7},
)

PRINTED = """\
node        id  host  version  weight  state     slots
worker-1    a   box   1.0      0       draining  24
worker-2 *  b   box   1.0      2       up        600

membership    settled
unowned       400 slots
moving        10 slots: 0, 1, 2, 3, 4, 5, 6, 7, …
highest epoch 7
lane queue    3 rows
bus queue     17 bytes
loop lag      0.4 ms
lease margin  4200 ms"""


async def _serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}"


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """The metrics listener of a node."""

    async def read() -> ClusterStatus:
        return STATUS

    runner, url = await _serve(build_metrics({}, read))
    yield url
    await runner.cleanup()


@pytest.fixture
def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_the_table_is_aligned_and_marks_the_node_that_answered() -> None:
    assert table(STATUS) == PRINTED


def test_an_empty_cluster_is_told_too() -> None:
    empty = msgspec.structs.replace(STATUS, members=[], moving=[], epochs={}, quiet=True)
    lines = table(empty).splitlines()
    assert lines[0].split() == ["node", "id", "host", "version", "weight", "state", "slots"]
    assert "membership    frozen: quiet period" in lines
    assert "moving        0 slots" in lines


async def test_a_node_answers_its_status_as_json_in_camel_case(base: str) -> None:
    body = await fetch(base + "/")
    assert parse(body) == STATUS
    answer = msgspec.json.decode(body)
    assert (answer["leaseMarginMs"], answer["members"][0]["here"], answer["epochs"]) == (4200, True, {"0": 1, "1": 7})


async def test_a_newer_node_is_understood(base: str) -> None:
    answer = msgspec.json.decode(await fetch(base))
    assert parse(msgspec.json.encode({**answer, "news": 1})) == STATUS


async def test_without_a_status_the_path_is_not_found() -> None:
    runner, url = await _serve(build_metrics({}))
    with pytest.raises(Unavailable, match="answers 404"):
        await fetch(url)
    await runner.cleanup()


async def test_a_status_that_cannot_be_read_now_is_answered_503() -> None:
    async def read() -> ClusterStatus:
        raise Unavailable("the database does not answer")

    runner, url = await _serve(build_metrics({}, read))
    with pytest.raises(Unavailable, match="answers 503"):
        await fetch(url)
    await runner.cleanup()


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b"\xff"])
def test_what_is_no_status_is_refused(body: bytes) -> None:
    with pytest.raises(Unavailable, match="no cluster status"):
        parse(body)


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "ftp://127.0.0.1", "http://127.0.0.1:99999"])
async def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await fetch(url)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:9464"), ("0.0.0.0", "http://127.0.0.1:9464"), ("::", "http://[::1]:9464")],
)
def test_the_address_to_ask_follows_from_the_settings(host: str, url: str) -> None:
    assert admin_url(HttpSettings(metrics_host=host)) == url


@pytest.mark.process
async def test_the_command_prints_table_or_json(base: str, data: Path) -> None:
    assert await run_cli("cluster", "status", "--url", base, data=data) == (0, PRINTED + "\n", "")
    env = {"COMMONROOM_METRICS_PORT": base.rpartition(":")[2]}
    code, out, err = await run_cli("cluster", "status", "--json", data=data, env=env)
    assert (code, err) == (0, "")
    assert parse(out.encode()) == STATUS


@pytest.mark.process
async def test_nobody_there_is_one_line_and_exit_1(nowhere: str, data: Path) -> None:
    code, out, err = await run_cli("cluster", "status", "--url", nowhere, data=data)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line == f"commonroom: {nowhere}/v1/admin/cluster does not answer: connection refused"


def test_a_node_that_is_alone_needs_no_lease() -> None:
    assert "lease margin  none needed: the only node" in table(replace(STATUS, lease_margin_ms=None))
