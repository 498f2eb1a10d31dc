"""A gateway on the real loop, over real sockets, with a clock of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvloop

from commonroom.config.settings import HttpSettings
from commonroom.engine.gateway.listener import Steer
from tests.gateway.rig import Rig
from tests.gateway.socket import RawSocket


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The gateway runs on uvloop, so its tests do."""
    return {"uvloop": uvloop.new_event_loop}


MakeRig = Callable[..., Any]


@pytest.fixture
async def make_rig() -> AsyncIterator[MakeRig]:
    """Makes started gateways with the settings asked for; all are closed at the end."""
    rigs: list[Rig] = []

    async def make(http: HttpSettings | None = None, steer: Steer | None = None, **settings: Any) -> Rig:
        rigs.append(await Rig.start(http, steer, **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.close()


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    made: Rig = await make_rig()
    return made


@pytest.fixture
async def echo(rig: Rig) -> RawSocket:
    return await rig.echo()
