"""Whole processes: each test owns its server and its data directory."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess, postgres_pids


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory with a short path (a Unix socket's is limited to 107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="cr-"))
    folder.chmod(0o755)  # PostgreSQL must reach its data where it runs under a user of its own
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def server(data: Path) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(data)
    await server.start()
    yield server
    await server.close()
    async with asyncio.timeout(15):
        while postgres_pids(data):
            await asyncio.sleep(0.02)
