"""/v1/ws and /v1/ws/{room} on a kept-alive connection: its socket goes to the gateway of this node.

A first request for them never gets here: the listener gives it to the gateway at once, or to the node that has
the room. Here the room changes nothing: the socket is aiohttp's until it is handed over, and what it has read with it.
"""

from typing import cast

from aiohttp import web

from commonroom.http.connection import Connection
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES

__all__ = ["TABLE"]


async def upgrade(request: web.Request) -> web.Response:
    """Open a WebSocket; what is said there is in docs/PROTOCOL.md.

    A room in the path says where the socket is best served, and nothing else. Refusals are plain text.
    """
    # The gateway gets the head as it was received.
    lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in request.raw_headers]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    cast("Connection", request.protocol).hand_over(lambda transport: request.app[SERVICES].adopt(transport, head))
    return web.Response()  # goes nowhere


ROOM = Parameter("room", "path", str, "The id of the room that the client will join first.")
REFUSALS = {400: None, 403: None, 404: None, 405: None, 426: None, 429: None}

TABLE = (
    Route("GET", "/v1/ws", "socket.open", upgrade, status=101, also=REFUSALS, signed_in=False, limits=()),
    Route("GET", "/v1/ws/{room}", "socket.open", upgrade, (ROOM,), status=101, also=REFUSALS, signed_in=False, limits=()),
)
