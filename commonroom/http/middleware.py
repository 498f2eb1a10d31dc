"""Around every request: an id, errors as problems, security headers, one log line."""

import re
from logging import INFO
from typing import TypeVar

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from commonroom import log as logging
from commonroom.clock import monotonic_s
from commonroom.errors import CommonroomError, Denied, InternalError
from commonroom.http import problem
from commonroom.http.assets import ASSETS
from commonroom.http.auth import AUTHORITY
from commonroom.http.gate import ACTION, SECRET, place_of
from commonroom.http.limit import note_limits
from commonroom.http.peer import address_of
from commonroom.http.policy import content_policy
from commonroom.http.services import REQUEST_ID, SERVICES
from commonroom.ids import new_id, new_secret, seeded

__all__ = ["MIDDLEWARES", "armoured"]

Response = TypeVar("Response", bound=web.StreamResponse)

log = structlog.get_logger(__name__)

_random = seeded(new_secret())  # a request's id must be its own, not secret
GIVEN_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")
SECURITY_HEADERS = {
    "Content-Security-Policy": content_policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
UNLOGGED = frozenset({"/healthz", "/health", "/readyz"})
NOWHERE = "-"
"""Logged for a path that no route has, or not for this method: whatever stands in it may be a secret in the wrong place."""


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id (a well-formed one of the proxy is kept), answer whatever happens, log its end."""
    given = request.headers.get("X-Request-Id", "")
    request_id = given if GIVEN_ID.fullmatch(given) else new_id(0, _random.getrandbits(74))
    request[REQUEST_ID] = request_id
    began_s = monotonic_s()
    with logging.bound(request_id=request_id):
        response = await _answered(request, handler, request_id)
        note_limits(request, response)
        if logging.is_written(INFO) and request.path not in UNLOGGED:
            took_ms = round((monotonic_s() - began_s) * 1000, 1)
            log.info("request", **_about(request), status=response.status, ms=took_ms)
    return armoured(response, request_id)


async def _answered(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    """Turn every error into a problem; the unexpected is logged here, once, and never shown."""
    try:
        return await handler(request)
    except CommonroomError as error:
        if isinstance(error, Denied):
            audit, who = request.app[SERVICES].audit, request.get(AUTHORITY)
            audit.denied(error, who, request_id, address_of(request), action=request.get(ACTION, ""), where=place_of(request))
        if isinstance(error, InternalError):
            return _failed(request, request_id)
        return problem.from_error(error, request_id)
    except web.HTTPException as error:
        return request.app[ASSETS].astray(request) or problem.from_status(error.status, request_id, error.headers)
    except ConnectionResetError:
        raise  # the client left: nobody to answer
    except Exception:  # noqa: BLE001 - the one place that supervises handlers
        return _failed(request, request_id)


def _failed(request: web.Request, request_id: str) -> web.Response:
    """Our own fault: the log gets the trace, the client a fixed sentence."""
    log.exception("request_failed", **_about(request))
    return problem.from_error(InternalError("the request failed; it may be sent again"), request_id)


def _about(request: web.Request) -> dict[str, object]:
    """What was asked, by whom if they showed who they are, and of which room."""
    authority = request.get(AUTHORITY)
    who = None if authority is None else authority.principal
    is_plain = request.match_info.route.resource is not None and SECRET.isdisjoint(request.match_info)
    path = request.path if is_plain else place_of(request) or NOWHERE
    return {"method": request.method, "path": path, "who": who, "room": request.match_info.get("room")}


def armoured(response: Response, request_id: str) -> Response:
    """The response with the headers that every one has."""
    headers = response.headers
    headers["X-Request-Id"] = request_id
    if headers.keys().isdisjoint(SECURITY_HEADERS):
        headers.extend(SECURITY_HEADERS)
    else:
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    headers["Server"] = "Commonroom"  # aiohttp's own names versions
    return response


MIDDLEWARES = (around,)
