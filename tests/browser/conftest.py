"""One server and one browser for a journey."""

from pathlib import Path

import pytest

from tests.process.conftest import environment, server

__all__ = ["axe", "environment", "server"]


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core 4.14.1 (MPL-2.0), as published on npm; evaluated in the page, so that the CSP stays as it is."""
    return (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
