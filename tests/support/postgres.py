"""One embedded PostgreSQL for the whole run, a database for each worker (DESIGN 9).

The server is the child of a process of its own (`python -m tests.support.postgres`), which
ends with its standard input: whatever happens to the run, nothing stays behind. It also makes the
data directory of which servers that tests start on data of their own get copies, as initdb takes
many times as long.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.migration import migrate

__all__ = ["PostgresProcess", "create_database", "fill"]

TEMPLATE = "commonroom"
"""The embedded server's own database, migrated once and never written to."""
MADE = "made"
PATIENCE_S = 60.0


class PostgresProcess:
    """The run's server.

    Attributes:
        url: of the template.
        made: a data directory for `fill`: there a moment later.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cr-"))
        self.made = self._folder / MADE
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


def fill(data: Path, made: Path) -> None:
    """Make `data` as a server leaves it behind that was started once, with a migrated database: a copy of `PostgresProcess.made`."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    patience = time.monotonic() + PATIENCE_S
    while not made.exists():
        assert time.monotonic() < patience, "the data directory that tests copy was not made"
        time.sleep(0.05)
    subprocess.run(["cp", "-a", made / "postgres", data], check=True)


async def _serve(folder: Path) -> None:
    postgres = EmbeddedPostgres()
    await postgres.start(folder)
    await migrate(postgres.url)
    print(postgres.url, flush=True)
    await _make(folder)
    await asyncio.to_thread(sys.stdin.read)
    await postgres.stop()


async def _make(folder: Path) -> None:
    """With no database but ours: the others are three fifths of what would be copied."""
    postgres, draft = EmbeddedPostgres(), folder / "draft"
    await postgres.start(draft)
    await migrate(postgres.url)
    connection = await asyncpg.connect(postgres.url)
    for name in ("template0", "template1"):
        await connection.execute(f"ALTER DATABASE {name} IS_TEMPLATE false")
    for name in ("template0", "template1", "postgres"):
        await connection.execute(f"DROP DATABASE {name}")
    await connection.close()
    await postgres.stop()
    draft.rename(folder / MADE)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
