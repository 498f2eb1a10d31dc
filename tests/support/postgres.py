"""One embedded PostgreSQL for the whole run, a database for each worker (DESIGN 9).

The server is the child of a process of its own (`python -m tests.support.postgres`), which
ends with its standard input: whatever happens to the run, nothing stays behind.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg

from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.migration import migrate

__all__ = ["PostgresProcess", "create_database"]

TEMPLATE = "commonroom"
"""The embedded server's own database, migrated once and never written to."""


class PostgresProcess:
    """The run's server. `url` is the template's."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cr-"))
        command = [sys.executable, "-m", "tests.support.postgres", str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the embedded PostgreSQL of the tests did not start, see above"

    def stop(self) -> None:
        """Stop the server and remove its data."""
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)


async def create_database(url: str, name: str) -> str:
    """A copy of the migrated template; its URL."""
    connection = await asyncpg.connect(url.replace(f"/{TEMPLATE}?", "/postgres?"))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY wal_log")
    finally:
        await connection.close()
    return url.replace(f"/{TEMPLATE}?", f"/{name}?")


async def _serve(folder: Path) -> None:
    postgres = EmbeddedPostgres()
    await postgres.start(folder)
    await migrate(postgres.url)
    print(postgres.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await postgres.stop()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
