"""The embedded PostgreSQL as a child process: these tests own their servers."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from commonroom.errors import ConfigError, Unavailable
from commonroom.storage.embedded import EmbeddedPostgres, cluster, launcher
from commonroom.storage.embedded.process import Identity, choose_identity
from commonroom.storage.pool import connect
from tests.support.server import postgres_pids

CHILD = """
import asyncio, sys
from pathlib import Path
from commonroom.storage.embedded import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres()
    await server.start(Path(sys.argv[1]))
    print(server.url, server._identity.mode, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()

asyncio.run(main())
"""


@pytest.fixture
async def server(used_data: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres()
    await server.start(used_data)
    yield server
    await server.stop()


def socket_folder(url: str) -> Path:
    return Path(url.partition("host=")[2].replace("%2F", "/"))


def start_child(data: Path, *prefix: str | Path) -> tuple["subprocess.Popen[str]", str, str]:
    """A server in a process of its own: (process, url, how PostgreSQL runs)."""
    child = subprocess.Popen([*prefix, sys.executable, "-c", CHILD, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    url, mode = child.stdout.readline().split()
    return child, url, mode


async def answers(url: str) -> bool:
    try:
        connection = await connect(url)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def none_left(data: Path) -> None:
    async with asyncio.timeout(20):
        while postgres_pids(data):
            await asyncio.sleep(0.01)


async def test_it_is_private_durable_and_off_the_network(server: EmbeddedPostgres, used_data: Path) -> None:
    connection = await connect(server.url)
    settings = [
        await connection.fetchval("SELECT current_setting($1)", name) for name in ("listen_addresses", "fsync", "synchronous_commit")
    ]
    await connection.close()
    assert settings == ["", "on", "on"]
    for folder in (used_data, used_data / "postgres", socket_folder(server.url)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(str(socket_folder(server.url) / ".s.PGSQL.5432")) < 107


async def test_stop_ends_every_process_and_removes_the_socket(used_data: Path) -> None:
    server = EmbeddedPostgres()
    await server.start(used_data)
    folder = socket_folder(server.url)
    assert postgres_pids(used_data)
    await server.stop()
    await server.stop()
    assert postgres_pids(used_data) == []
    assert not folder.exists()
    with pytest.raises(Unavailable):
        _ = server.url


async def test_a_second_server_on_one_data_directory_is_refused(server: EmbeddedPostgres, used_data: Path) -> None:
    second = EmbeddedPostgres()
    with pytest.raises(ConfigError, match="in use by another server"):
        await second.start(used_data)
    connection = await connect(server.url)  # the first was not disturbed
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_a_postmaster_that_dies_is_started_again_at_the_same_address(used_data: Path) -> None:
    restarts: list[str] = []
    server = EmbeddedPostgres()
    await server.start(used_data, on_restart=restarts.append)
    url, first = server.url, server.pid
    connection = await connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    for _ in range(2):
        os.kill(server.pid, signal.SIGQUIT)
        dead = server.pid
        async with asyncio.timeout(20):
            while server.pid == dead or not await answers(url):
                await asyncio.sleep(0.01)
    connection.terminate()
    connection = await connect(url)
    assert await connection.fetchval("SELECT x FROM kept") == 42
    await connection.close()
    assert server.pid != first
    assert len(restarts) == 2
    await server.stop()


async def test_kill_9_of_the_node_leaves_no_postgres_and_the_next_start_recovers(used_data: Path) -> None:
    child, url, _ = start_child(used_data)
    connection = await connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    child.kill()
    child.communicate()
    server = EmbeddedPostgres()
    await server.start(used_data)  # waits for the dying one by itself
    connection.terminate()
    assert not socket_folder(url).exists()
    connection = await connect(server.url)
    assert await connection.fetchval("SELECT x FROM kept") == 42
    await connection.close()
    await server.stop()
    await none_left(used_data)


async def test_kill_9_alone_ends_every_postgres(used_data: Path) -> None:
    child, url, _ = start_child(used_data)
    assert postgres_pids(used_data)
    child.kill()
    child.communicate()
    await none_left(used_data)
    shutil.rmtree(socket_folder(url))


async def test_a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle(used_data: Path) -> None:
    server = EmbeddedPostgres()
    await server.start(used_data)
    lines = (used_data / "postgres" / "postmaster.pid").read_text().splitlines()
    await server.stop()
    (used_data / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    await server.start(used_data)
    await server.stop()


async def test_an_ordinary_user_needs_no_namespace(data: Path) -> None:
    """Who is no root already (or plays no root in a namespace of its own) runs PostgreSQL plainly."""
    prefix = [sys.executable, "-I", "-S", launcher.__file__, "namespace", str(os.getpid())] if os.geteuid() == 0 else []
    child, url, mode = start_child(data, *prefix)
    assert mode == "plain"
    connection = await connect(url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    child.communicate()
    assert child.returncode == 0
    assert postgres_pids(data) == []


async def test_where_namespaces_are_refused_root_falls_back_to_a_dedicated_user_and_says_so(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonroom.storage.embedded.process.ended", _refused)
    with tempfile.TemporaryFile() as log:
        identity = await choose_identity(Path("/bin/true"), log)
    if os.geteuid() != 0:
        assert identity.mode == "plain"
        return
    assert identity.mode.startswith("uid:")
    assert "user namespaces are not allowed" in identity.note
    assert identity.uid != 0


async def _refused(process: "subprocess.Popen[bytes]") -> int:
    process.wait()
    return launcher.EXIT_REFUSED


async def test_the_dedicated_user_runs_it_on_data_it_can_reach(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dedicated = Identity("uid:65534:65534", 65534, 65534, "note") if os.geteuid() == 0 else Identity("plain", os.geteuid(), os.getegid())

    async def choose(*_: object) -> Identity:
        return dedicated

    monkeypatch.setattr("commonroom.storage.embedded.postgres.choose_identity", choose)
    monkeypatch.setattr("commonroom.storage.embedded.postgres.FALLBACK_ROOT", data.parent / "fallback")
    data.parent.chmod(0o755)
    server = EmbeddedPostgres()
    await server.start(data)
    assert server.note == dedicated.note
    assert os.stat(f"/proc/{server.pid}").st_uid == dedicated.uid  # noqa: PTH116 - a look at /proc
    connection = await connect(server.url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    await server.stop()


async def test_a_data_directory_that_cannot_be_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="is not writable"):
        await EmbeddedPostgres().start(Path(__file__) / "below")


async def test_data_of_another_major_version_is_refused(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigError, match="holds data of PostgreSQL 17"):
        await EmbeddedPostgres().start(data)


async def test_a_failing_initdb_says_its_last_words_and_leaves_no_half_cluster(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = data.parent / "bin"
    tools.mkdir()
    for name, text in (("initdb", "echo 'initdb: error: no space left'; exit 1"), ("postgres", "exit 0")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    for module in ("cluster", "postgres"):
        monkeypatch.setattr(f"commonroom.storage.embedded.{module}.binaries", lambda: tools)
    with pytest.raises(ConfigError, match="no space left"):
        await EmbeddedPostgres().start(data)
    assert not (data / "postgres").exists()
    monkeypatch.undo()
    server = EmbeddedPostgres()
    await server.start(data)  # the lock was given back, the draft is made anew
    await server.stop()


async def test_a_server_that_does_not_start_is_unavailable_with_its_last_words(used_data: Path) -> None:
    server = EmbeddedPostgres()
    await server.start(used_data)
    await server.stop()
    with (used_data / "postgres" / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(Unavailable, match=r"did not start: .*contains errors"):
        await server.start(used_data)
    assert postgres_pids(used_data) == []


def test_the_log_keeps_its_newer_half(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "MAX_LOG_BYTES", 100)
    data.mkdir()
    files = cluster.Cluster(data)
    with files.open_log() as log:
        log.write(b"a" * 80 + b"z" * 40)
        log.flush()
        files.trim_log()
        log.write(b"!")  # whoever had it open goes on at the new end
        log.flush()
    assert files.log.read_bytes() == b"a" * 10 + b"z" * 40 + b"!"
