"""Commands as a person runs them, each on a data directory of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that is not there yet; short, and open to the database's own user."""
    folder = Path(tempfile.mkdtemp(prefix="cr-cli-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
