"""`serve` where it cannot: one line on standard error, exit code 2, nothing left behind."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commonroom.storage.embedded.postgres import EmbeddedPostgres
from tests.support.server import ServerProcess, postgres_pids, run_cli

pytestmark = pytest.mark.process


async def _refused(data: Path, **env: str) -> str:
    """What the server says when it does not start."""
    code, out, err = await run_cli("serve", "--port", env.pop("port", "0"), data=data, env=env)
    lines = err.splitlines()
    assert (code, out, len(lines)) == (2, "", 1), err
    assert lines[0].startswith("commonroom: ")
    return lines[0]


async def test_a_taken_port_is_told_and_the_database_stopped(used_data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}: address already in use" in await _refused(used_data, port=port)
        assert f"metrics on 127.0.0.1:{port}: address already in use" in await _refused(used_data, COMMONROOM_METRICS_PORT=port)
    assert postgres_pids(used_data) == []


async def test_an_address_that_is_not_ours_is_told(used_data: Path) -> None:
    assert "cannot listen on 192.0.2.1:0" in await _refused(used_data, COMMONROOM_HOST="192.0.2.1")


async def test_a_data_directory_that_cannot_be_written_is_told(data: Path) -> None:
    with data.open("w"):  # a file, of which no folder can be made
        assert str(data) in await _refused(data)
        assert str(data) in await _refused(data / "below")


async def test_a_database_that_does_not_answer_is_told_without_its_password(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    line = await _refused(data, COMMONROOM_POSTGRES_URL=f"postgresql://me:hunter2@127.0.0.1:{port}/x")
    assert "does not answer" in line
    assert "hunter2" not in line
    assert postgres_pids(data) == []


async def test_a_second_server_on_the_same_data_is_refused(used_data: Path) -> None:
    first = ServerProcess(used_data)
    await first.start()
    try:
        assert postgres_pids(used_data)
        assert str(used_data) in await _refused(used_data)
        code, out, _ = await run_cli("doctor", data=used_data, env={"COMMONROOM_PORT": "0"})
        assert code == 1
        assert "fail  database:" in out
    finally:
        assert await first.stop() == 0
    assert postgres_pids(used_data) == []


@pytest.fixture
async def postgres(used_data: Path) -> AsyncIterator[EmbeddedPostgres]:
    """An external server, as far as a command can tell."""
    postgres = EmbeddedPostgres()
    await postgres.start(used_data)
    yield postgres
    await postgres.stop()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [("nosuchdatabase?user=commonroom&", "3D000"), ("rooms?user=nosuchrole&", "28000"), ("x?user=commonroom&sslmode=nonsense&", "sslmode")],
)
async def test_a_database_that_refuses_is_told_by_every_command(data: Path, postgres: EmbeddedPostgres, wrong: str, told: str) -> None:
    env = {"COMMONROOM_POSTGRES_URL": postgres.url.replace("commonroom@", "").replace("commonroom?", wrong)}
    for command in (("migrate", "status"), ("migrate", "up"), ("serve", "--port", "0")):
        code, out, err = await run_cli(*command, data=data, env=env)
        assert (code, out, len(err.splitlines())) == (2, "", 1), err
        assert told in err


async def test_a_second_server_on_the_same_database_is_refused(data: Path, postgres: EmbeddedPostgres) -> None:
    env = {"COMMONROOM_POSTGRES_URL": postgres.url}
    first = ServerProcess(data.parent / "first", env)
    try:
        await first.start()
        assert "another Commonroom server uses this database" in await _refused(data.parent / "second", **env)
        assert await first.stop() == 0
        await first.start()  # the lock went with its holder
    finally:
        await first.close()
