"""What sockets leave behind: nothing for which all that lives would have to be looked at."""

import gc
from collections.abc import Awaitable, Callable

import pytest

from commonroom.engine.gateway.connection import Connection
from commonroom.engine.gateway.session.session import Session
from tests.gateway.rig import Rig, until
from tests.gateway.socket import RawSocket, closing


async def _say_goodbye(_rig: Rig, socket: RawSocket) -> None:
    socket.send(closing(1000))
    await socket.rest()


async def _break(_rig: Rig, socket: RawSocket) -> None:
    socket.writer.transport.abort()


async def _half_close(_rig: Rig, socket: RawSocket) -> None:
    socket.writer.write_eof()
    await socket.rest()


async def _talk_nonsense(_rig: Rig, socket: RawSocket) -> None:
    socket.send(b"\xff" * 20)
    await socket.rest()


async def _fall_silent(rig: Rig, socket: RawSocket) -> None:
    rig.advance(120)
    await socket.rest()


@pytest.mark.parametrize("end", [_say_goodbye, _break, _half_close, _talk_nonsense, _fall_silent])
async def test_a_socket_that_ended_is_freed_at_once(
    rig: Rig, without_collections: None, end: Callable[[Rig, RawSocket], Awaitable[None]]
) -> None:
    socket = await rig.joined()
    assert _alive(rig) == {Connection: 1, Session: 1}
    await end(rig, socket)
    socket.writer.close()
    rig.router.seen.clear()  # the room answers no more
    await until(lambda: _alive(rig) == {})


def _alive(rig: Rig) -> dict[type, int]:
    """Of this gateway alone: others may serve other tests in the same process."""
    owners = {id(rig.gateway), *(id(listener.sockets) for listener in rig.gateway._listeners)}
    sessions = [one for one in gc.get_objects() if type(one) is Session and id(one._lobby) in owners]
    connections = [one for one in gc.get_objects() if type(one) is Connection and id(one._owner) in owners]
    return {type(ours[0]): len(ours) for ours in (connections, sessions) if ours}
