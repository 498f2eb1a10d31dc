"""Whole processes: each test owns its server and its data directory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess, postgres_pids


@pytest.fixture
async def server(data: Path) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(data)
    await server.start()
    yield server
    await server.close()
    async with asyncio.timeout(15):
        while postgres_pids(data):
            await asyncio.sleep(0.02)
