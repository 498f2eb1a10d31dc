"""The figures of signing in, made short: real logins against a real server."""

import pytest

from commonroom.bench import signin
from commonroom.bench.command import RAISED


@pytest.fixture(autouse=True)
def _short(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONROOM_POSTGRES_URL", fresh_dsn)
    for name, value in {"LOAD_S": 0.5, "CALM_S": 0.2, "AT_ONCE": 4, "GUESSES": 3, "CHECKS": 10}.items():
        monkeypatch.setattr(signin, name, value)


@pytest.mark.parametrize("name", list(signin.SIGN_IN_FIGURES))
async def test_each_figure_is_measured(name: str) -> None:
    outcome = await signin.SIGN_IN_FIGURES[name](RAISED)
    assert outcome.failures == []
    assert any(reading.limit is not None for reading in outcome.readings)
    assert all(reading.value < 1e6 for reading in outcome.readings)


async def test_a_login_that_is_refused_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "PASSWORD", "another than was set")
    outcome = await signin.password_logins(RAISED)
    assert outcome.failures == ["a login failed: a login was answered 401"] * 3
