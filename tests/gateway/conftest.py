"""A gateway on the real loop, over real sockets, with a clock of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvloop

from commonroom.config.settings import GatewaySettings, HttpSettings
from commonroom.engine.gateway import Gateway
from commonroom.engine.gateway.listener import Steer
from tests.gateway.rig import Rig, RigRouter, Ticking
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
        ticking, router = Ticking(), RigRouter()
        gateway = Gateway(
            GatewaySettings(**{"close_timeout_s": 1.0, **settings}),
            http or HttpSettings(port=0),
            clock=ticking,
            router=router,
            authenticate=ticking.authenticate,
            read_events=router.read_events,
            history=1,
            monotonic=ticking.monotonic,
        )
        gateway.steer = steer
        router.subscribers = gateway
        rig = Rig(gateway, router, ticking)
        await gateway.start(rig.make_http_protocol)
        await gateway.start_echo(0)
        rigs.append(rig)
        return rig

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
