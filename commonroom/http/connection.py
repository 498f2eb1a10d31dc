"""One HTTP connection: aiohttp's, except for what is refused before it is a request.

aiohttp would answer that with its versions and an echo of what was sent, and log a
trace that holds the same: anybody could fill the log, or find a secret in it (RELIABILITY S6).
"""

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import web

from commonroom.http import problem
from commonroom.http.middleware import armoured
from commonroom.ids import new_id

__all__ = ["Connection", "connections"]

log = structlog.get_logger(__name__)


class Connection(web.RequestHandler):
    """Reads requests of one socket and answers them."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The last answer of a connection whose bytes are no request, or whose request failed outside our middleware."""
        del message  # quotes what was sent
        request_id = new_id(0)
        kind = type(exc).__name__
        if isinstance(exc, ConnectionResetError):
            log.info("client_left", request_id=request_id)  # in the middle of its request: nobody's fault
        elif status >= 500:
            log.error("request_failed", error=kind, request_id=request_id, exc_info=exc)
        else:
            log.info("request_refused", status=status, error=kind, request_id=request_id)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        response = armoured(problem.from_status(status, request_id), request_id)
        response.force_close()
        return response


def connections(server: web.Server) -> Callable[[], Connection]:
    """Makes the protocol of each socket that speaks HTTP."""
    loop = asyncio.get_running_loop()
    return lambda: Connection(server, loop=loop, access_log=None)  # type: ignore[arg-type] # None, as AppRunner passes it: no log of its own
