"""The usual certificates, read once, and a listener that nobody may reach."""

import ssl
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.outbound.stage import Target, served


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@pytest.fixture
async def canary() -> AsyncIterator[Target]:
    """On loopback; at the end nobody may have come."""
    async with served() as target:
        yield target
        assert target.connections == 0
