"""The gateway as a whole: starting, and what it tells about itself."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from commonroom.config.settings import GatewaySettings, HttpSettings
from commonroom.engine.gateway import Gateway
from commonroom.protocol.typing import Typing, TypingStart
from tests.gateway.rig import Rig, RigRouter, Ticking, until
from tests.gateway.socket import RawSocket, frame


def unstarted(settings: GatewaySettings, http: HttpSettings) -> Gateway:
    ticking, router = Ticking(), RigRouter()
    return Gateway(
        settings, http, clock=ticking, router=router, authenticate=ticking.authenticate, read_events=router.read_events, history=1
    )


async def test_a_port_that_is_taken_raises_and_nothing_listens(rig: Rig) -> None:
    gateway = unstarted(GatewaySettings(), HttpSettings(port=rig.gateway.port))
    with pytest.raises(OSError, match="in use"):
        await gateway.start(rig.make_http_protocol)
    await gateway.close()


async def test_an_echo_port_that_is_taken_gives_the_common_port_back(rig: Rig) -> None:
    gateway = unstarted(GatewaySettings(echo_port=rig.gateway.port), HttpSettings(port=0))
    with pytest.raises(OSError, match="in use"):
        await gateway.start(rig.make_http_protocol)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", gateway.port)
    await gateway.close()


async def test_it_counts_what_it_does(rig: Rig) -> None:
    ada, ben = await rig.joined("ada"), await rig.joined("ben")
    ada.command(TypingStart(0, "quiet"))
    assert isinstance(await ada.message(), Typing)
    assert isinstance(await ben.message(), Typing)
    stats = rig.gateway.stats
    assert (stats.connections, stats.sessions, stats.subscriptions, stats.commands, stats.deliveries) == (2, 2, 2, 5, 2)
    ada.send(frame(9, mask=None))
    await until(lambda: stats.closes)
    assert (stats.connections, stats.sessions, stats.subscriptions) == (1, 1, 1)
    assert stats.closes == {1002: 1}


async def test_closing_twice_is_the_same_as_once(rig: Rig) -> None:
    await rig.gateway.close()
    await rig.gateway.close()


Close = Callable[[Gateway], Awaitable[object]]


async def cut_off(gateway: Gateway) -> None:
    gateway.send_all_away()


CLOSES: dict[str, tuple[Close, str]] = {
    "stop": (lambda gateway: gateway.close(), "the server restarts"),
    "drain": (lambda gateway: gateway.send_away(0.0, lambda: True), "the server restarts"),
    "cut off": (cut_off, "this server is cut off"),
}


@pytest.mark.parametrize(("close", "why"), CLOSES.values(), ids=CLOSES.keys())
@pytest.mark.parametrize(("per_s", "hint_ms"), [(100, 20), (1, 2000)])
async def test_sockets_closed_at_once_are_told_over_which_time_to_come_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, close: Close, why: str, per_s: int, hint_ms: int
) -> None:
    """2 s at most: a client waits 0.5 s besides, and 3 s are all it may wait."""
    monkeypatch.setattr("commonroom.engine.gateway.gateway.COME_BACK_PER_S", per_s)
    sockets = [await rig.hello("ada"), await rig.hello("ben")]
    ends, _ = await asyncio.gather(asyncio.gather(*map(end_of, sockets)), close(rig.gateway))
    assert ends == [(4000, f"{why}; retry_after_ms={hint_ms}")] * 2


async def end_of(socket: RawSocket) -> tuple[int | None, str]:
    last = (await socket.rest())[-1]
    socket.writer.close()
    return last.close_code, last.payload[2:].decode()


async def test_a_socket_accepted_in_the_moment_before_the_stop_is_dropped(rig: Rig) -> None:
    """Its protocol is made a turn before it is told of its socket; stopping in between failed, and the node ended with a stack."""
    listener = rig.gateway._listeners[0]
    request = listener._accept()
    listener.stop()
    server = await asyncio.get_running_loop().create_server(lambda: request, "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert listener.waiting == 0
