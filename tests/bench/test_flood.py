"""The figures of floods, made short: a real server, flooded for a moment by a process of its own."""

import pytest

from commonroom.bench.command import RAISED
from commonroom.bench.flood import figures
from commonroom.bench.flood.attack import FLOODS
from commonroom.bench.flood.figures import FLOOD_FIGURES, Span, handshakes, memory
from commonroom.bench.load.stream import Flaws
from commonroom.bench.load.tally import Tally

SHORT = Span(first_s=0.1, flood_s=0.3, rest_s=0.0, turns=1, turn_s=0.2, scale=0.02)


@pytest.fixture
def outside_postgres(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers that are started use a database that is there already."""
    monkeypatch.setenv("COMMONROOM_POSTGRES_URL", fresh_dsn)


@pytest.mark.usefixtures("outside_postgres")
async def test_memory_is_measured_around_a_flood_and_the_witness_misses_nothing() -> None:
    outcome = await memory("malformed", RAISED, SHORT)
    assert outcome.failures == []
    readings = {reading.name: reading for reading in outcome.readings}
    assert readings["memory kept"].limit == 10.0
    assert readings["witness: messages"].value > 0


@pytest.mark.usefixtures("outside_postgres")
async def test_handshakes_are_timed_with_and_without_slow_heads() -> None:
    outcome = await handshakes(RAISED, SHORT)
    assert outcome.readings[0].value > 0
    assert (outcome.readings[-1].limit, outcome.failures) == (2.0, [])


def test_each_flood_has_a_figure() -> None:
    assert set(FLOOD_FIGURES) == {*FLOODS, "handshakes"}


def test_what_the_witness_missed_is_a_failure() -> None:
    assert figures._missed(Tally()) == []
    told = figures._missed(Tally(flaws=Flaws(lost=2), dropped=1))
    assert told == ["2 messages of the witness lost", "the witness was dropped 1 times"]
