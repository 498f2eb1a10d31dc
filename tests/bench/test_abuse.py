"""The figures of saying no, made short, against a real server."""

import pytest

from commonroom.bench import abuse
from commonroom.bench.command import RAISED
from commonroom.bench.target.process import Usage
from commonroom.clock import monotonic_us
from commonroom.errors import Unavailable


@pytest.fixture(autouse=True)
def _short(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONROOM_POSTGRES_URL", fresh_dsn)
    short = {
        "DECISIONS": 10,
        "COMMANDS": 100,
        "FOUNDINGS": 50,
        "TURNS": 1,
        "ROOMS": 2,
        "ROUNDS": 1,
        "ROUND_S": 0.3,
        "EVERY_S": 0.1,
        "SENDS": 200,
    }
    for name, value in short.items():
        monkeypatch.setattr(abuse, name, value)


@pytest.mark.parametrize("name", list(abuse.ABUSE_FIGURES))
async def test_each_figure_is_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abuse, "usage", lambda _pids: Usage(monotonic_us() / 1e6, 0))  # so little CPU is none in /proc
    outcome = await abuse.ABUSE_FIGURES[name](RAISED)
    assert outcome.failures == []
    assert any(reading.limit is not None for reading in outcome.readings)
    assert all(0 < reading.value < 1e6 for reading in outcome.readings)


async def test_commands_that_are_answered_otherwise_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abuse, "_type", abuse._found("public"))
    with pytest.raises(Unavailable):
        await abuse.denials(RAISED)
