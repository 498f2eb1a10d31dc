"""Real redis-servers: one a worker for all tests, started when first asked for; fault tests own theirs.

The children get a signal when this process dies, however it dies, so nothing stays behind.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Self

import pytest
from redis import Redis
from redis.exceptions import RedisError

from commonroom.storage.embedded.process import Identity, launch
from commonroom.storage.embedded.redis import redis_binary, redis_command

__all__ = ["RedisServer", "own_redis", "redis_url"]


class RedisServer:
    """A server on a private Unix socket, with the faults a test may want. For use as a context."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cr-redis-"))
        self._socket = self._folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self._process = self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.end()

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            identity = Identity("plain", os.geteuid(), os.getegid())
            return launch(identity, redis_command(redis_binary(), self._socket), log)

    def admin(self) -> Redis:
        """A synchronous client of the test's own, which waits until the server is up."""
        client = Redis.from_url(self.url, socket_timeout=10)
        for _attempt in range(100_000):
            try:
                client.ping()
            except RedisError:
                assert self._process.poll() is None, "redis-server ended, see its log"
                continue
            return client
        raise AssertionError("redis-server did not come up")

    def do(self, *command: str) -> object:
        """One command, answered."""
        with self.admin() as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """SIGKILL: what it held is gone."""
        self.resume()
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Start again after `kill`, empty, at the same address."""
        self._socket.unlink(missing_ok=True)
        self._process = self._launch()

    def suspend(self) -> None:
        """SIGSTOP: it accepts connections through its backlog and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Stop for good and remove its files. Safe to call twice."""
        if self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


@cache
def _shared() -> RedisServer:
    return RedisServer()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """This worker's server; tests keep apart by cluster names of their own."""
    server = _shared()
    with server.admin():
        yield server.url
    server.end()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of this test alone, to be harmed."""
    with RedisServer() as server, server.admin():
        yield server
