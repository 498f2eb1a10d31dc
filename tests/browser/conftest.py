"""One server and one browser for a journey; for those about accounts, one for all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.stage import Stage, Users, open_stage
from tests.process.conftest import environment, server
from tests.support.browser import Visitor

__all__ = ["axe", "enter", "environment", "server", "stage"]

PEOPLE: Users = {
    "ada": {"email": "ada@school.example", "email_verified": True, "name": "Ada Lovelace"},
    "grace": {"email": "grace@school.example", "email_verified": True, "name": "Grace Hopper"},
    "light": {"email": "light@school.example", "email_verified": True, "name": "Light"},
    "dark": {"email": "dark@school.example", "email_verified": True, "name": "Dark"},
}


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core 4.14.1 (MPL-2.0), as published on npm; evaluated in the page, so that the CSP stays as it is."""
    return (Path(__file__).parent / "vendor" / "axe.min.js").read_text()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(made_data: Path) -> AsyncIterator[Stage]:
    """A server with letters and providers, for all tests that ask for it."""
    async with open_stage(PEOPLE, made_data) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def enter(stage: Stage) -> AsyncIterator[Callable[..., Awaitable[Visitor]]]:
    """Opens a browser context of one person; at the end nobody may have had trouble."""
    opened: list[Visitor] = []

    async def open_one(**options: object) -> Visitor:
        opened.append(await stage.visitor(**options))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.context.close()
    assert [trouble for one in opened for trouble in one.trouble] == []
