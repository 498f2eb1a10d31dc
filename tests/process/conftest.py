"""Whole processes: each test owns its server and its data directory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess, postgres_pids


@pytest.fixture
def environment() -> dict[str, str]:
    """Settings of the server, for tests that want others than the defaults."""
    return {}


@pytest.fixture
async def server(used_data: Path, environment: dict[str, str]) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(used_data, environment)
    await server.start()
    yield server
    await server.close()
    async with asyncio.timeout(15):
        while postgres_pids(used_data):
            await asyncio.sleep(0.02)
