"""/v1/ws on a kept-alive connection: its socket goes to the gateway.

A first request for /v1/ws never gets here, the listener gives it to the gateway at once.
"""

from aiohttp import web

from commonroom.http.services import SERVICES

__all__ = ["TABLE"]


async def upgrade(request: web.Request) -> web.Response:
    """Hand the transport over with the request's head, as it was received."""
    handler, transport = request.protocol, request.transport
    if transport is None:
        raise ConnectionResetError("the client left")
    lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in request.raw_headers]
    handler.transport = None  # so that the end of aiohttp's protocol does not close the socket
    request.app[SERVICES].adopt(transport, b"\r\n".join(lines) + b"\r\n\r\n")
    handler.connection_lost(None)
    return web.Response()  # goes nowhere


TABLE = (("GET", "/v1/ws", upgrade),)
