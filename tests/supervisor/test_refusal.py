"""`serve --workers` where it cannot: one line on standard error, exit code 2, nothing left behind."""

import socket
from pathlib import Path

import pytest

from tests.support.server import postgres_pids, run_cli

pytestmark = pytest.mark.process


async def _refused(data: Path, *flags: str, **env: str) -> str:
    code, out, err = await run_cli("serve", "--workers", "2", *flags, data=data, env=env)
    lines = err.splitlines()
    assert (code, out, len(lines)) == (2, "", 1), err
    assert lines[0].startswith("commonroom: ")
    assert postgres_pids(data) == []
    return lines[0]


async def test_a_taken_port_is_told_before_anything_starts(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}: address already in use" in await _refused(data, "--port", str(port))
    assert not list(data.parent.iterdir())


async def test_a_metrics_port_out_of_range_is_told_by_its_worker(used_data: Path) -> None:
    assert "worker 2" in await _refused(used_data, "--port", "0", COMMONROOM_METRICS_PORT="65535")


async def test_a_database_that_does_not_answer_is_told_without_its_password(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    line = await _refused(data, "--port", "0", COMMONROOM_POSTGRES_URL=f"postgresql://me:hunter2@127.0.0.1:{port}/x")
    assert "does not answer" in line
    assert "hunter2" not in line


async def test_a_data_directory_that_cannot_be_written_is_told(data: Path) -> None:
    with data.open("w"):  # a file, of which no folder can be made
        pass
    assert str(data) in await _refused(data, "--port", "0")


async def test_ports_of_their_own_end_where_ports_end(data: Path) -> None:
    assert "worker 2 would need a port above 65535" in await _refused(data, "--port", "65535", "--own-ports")
