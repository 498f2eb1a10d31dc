"""A stage for each test, and two people on it."""

from collections.abc import Iterator

import pytest

from tests.actors.stage import Device, Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def sleepy() -> Iterator[Stage]:
    """A stage whose rooms are passivated after two minutes, as a server's are."""
    stage = Stage(idle_s=120.0)
    yield stage
    stage.close()


@pytest.fixture
def alice(stage: Stage) -> Device:
    return stage.person("Alice")


@pytest.fixture
def bob(stage: Stage) -> Device:
    return stage.person("Bob")


@pytest.fixture
def room(stage: Stage, alice: Device) -> str:
    """A public room that Alice made and nobody is in."""
    return stage.room(alice)
