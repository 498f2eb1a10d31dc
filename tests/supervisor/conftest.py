"""Data directories of supervisors."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that is not there yet; short, and open to the database's own user."""
    folder = Path(tempfile.mkdtemp(prefix="cr-sup-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
