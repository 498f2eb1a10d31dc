"""Steering passes sockets between loops of either kind; all else here runs on asyncio's."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    return {**factories, "uvloop": uvloop.new_event_loop} if item.path.stem == "test_steering" else factories


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for sockets that is not there yet, with a short path: theirs are limited to 107 bytes."""
    root = Path(tempfile.mkdtemp(prefix="cr-"))
    yield root / "sockets"
    shutil.rmtree(root, ignore_errors=True)
