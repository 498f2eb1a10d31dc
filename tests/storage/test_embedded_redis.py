"""The embedded Redis as a child process: these tests own their servers."""

import asyncio
import importlib.util
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from commonroom.errors import ConfigError, Unavailable
from commonroom.storage.embedded import EmbeddedRedis
from commonroom.storage.embedded.redis import redis_binary

CHILD = """
import asyncio, sys
from pathlib import Path
from commonroom.storage.embedded import EmbeddedRedis

async def main():
    server = EmbeddedRedis()
    await server.start(Path(sys.argv[1]))
    print(server.url, server.pid, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()

asyncio.run(main())
"""


@pytest.fixture
async def server(data: Path) -> AsyncIterator[EmbeddedRedis]:
    server = EmbeddedRedis()
    await server.start(data)
    yield server
    await server.stop()


@pytest.fixture
async def client(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    yield client
    await client.aclose()


def socket_of(server: EmbeddedRedis) -> Path:
    return Path(server.url.removeprefix("unix://"))


def is_running(pid: int) -> bool:
    """Whether `pid` is a process that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def run_and_kill_parent(data: Path) -> tuple[str, int]:
    """A server whose parent got SIGKILL: (its url, its pid)."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    url, pid = child.stdout.readline().split()
    child.kill()
    child.communicate()
    return url, int(pid)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while is_running(pid):
            await asyncio.sleep(0.01)


async def test_it_listens_on_a_private_unix_socket_alone(server: EmbeddedRedis, client: Redis) -> None:
    socket = socket_of(server)
    assert await client.ping()
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert len(os.fsencode(socket)) < 100
    assert (await client.config_get("port"))["port"] == "0"


async def test_it_keeps_nothing_on_disk_and_evicts_nothing(client: Redis, data: Path) -> None:
    settings = await client.config_get("*")
    assert (settings["save"], settings["appendonly"], settings["maxmemory-policy"]) == ("", "no", "noeviction")
    assert f"pubsub {64 << 20} {16 << 20} 30" in str(settings["client-output-buffer-limit"])
    assert names_in(data) == {"redis.lock", "redis.log", "redis.socket"}


async def test_a_killed_server_is_started_again_at_the_same_address(data: Path) -> None:
    notes: list[str] = []
    server = EmbeddedRedis()
    await server.start(data, on_restart=notes.append)
    url, first = server.url, server.pid
    client = Redis.from_url(url)
    try:
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(20):
            while server.pid == first or not await answers(client):
                await asyncio.sleep(0.01)
        assert server.url == url
        assert len(notes) == 1
        assert "ended with -9" in notes[0]
    finally:
        await client.aclose()
        await server.stop()


async def answers(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except RedisError:
        return False


async def test_stopping_ends_the_server_and_removes_its_socket(data: Path) -> None:
    server = EmbeddedRedis()
    await server.start(data)
    pid, folder = server.pid, socket_of(server).parent
    await server.stop()
    await server.stop()
    assert not is_running(pid)
    assert not folder.exists()
    with pytest.raises(Unavailable, match="does not run"):
        _ = server.url
    with pytest.raises(Unavailable, match="does not run"):
        _ = server.pid


async def test_it_dies_with_a_killed_parent_and_the_next_one_cleans_up(data: Path) -> None:
    url, pid = run_and_kill_parent(data)
    await gone(pid)
    server = EmbeddedRedis()
    await server.start(data)
    try:
        assert not Path(url.removeprefix("unix://")).parent.exists()
    finally:
        await server.stop()


async def test_a_data_directory_has_one_server(server: EmbeddedRedis, client: Redis, data: Path) -> None:
    second = EmbeddedRedis()
    with pytest.raises(ConfigError, match="in use by another server"):
        await second.start(data)
    await second.stop()
    assert await client.ping()


async def test_a_server_that_cannot_start_says_why(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonroom.storage.embedded.redis.redis_command", lambda binary, _socket: [binary, "--no-such-setting", "1"])
    server = EmbeddedRedis()
    with pytest.raises(Unavailable, match="embedded Redis did not start"):
        await server.start(data)
    await server.stop()


def test_the_server_on_path_is_taken_where_the_wheel_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_binary() == program


def test_no_server_anywhere_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="install redis-server or valkey-server"):
        redis_binary()
