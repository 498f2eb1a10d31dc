"""What servers of a bench begin with."""

import pytest


@pytest.fixture
def outside_postgres(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers that are started use a database that is there already."""
    monkeypatch.setenv("COMMONROOM_POSTGRES_URL", fresh_dsn)
