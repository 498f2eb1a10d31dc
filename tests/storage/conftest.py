"""A connection to PostgreSQL that loses what a test wants lost."""

from collections.abc import AsyncIterator

import pytest

from tests.support.proxy import LossyProxy


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(dsn) as proxy:
        yield proxy
