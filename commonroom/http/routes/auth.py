"""The end of a login session: /v1/auth/logout."""

from aiohttp import web

from commonroom.http.auth import clear_cookie, login_of
from commonroom.http.services import SERVICES

__all__ = ["TABLE"]


async def log_out(request: web.Request) -> web.Response:
    """End the request's login session for good: no secret, ws token or socket of it works any more, on any node."""
    services = request.app[SERVICES]
    login = await login_of(request)
    await services.revocations.revoke(login.sid)
    response = web.Response(status=204)
    clear_cookie(response, secure=services.production)
    return response


TABLE = (("POST", "/v1/auth/logout", log_out),)
