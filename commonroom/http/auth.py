"""Who sends a request: a login session, by bearer secret or cookie.

A browser sends the cookie with whatever any page makes it send, so a write by cookie
needs proof that the page is ours (RELIABILITY S8): its Origin, compared whole. A
bearer secret is proof by itself.
"""

from aiohttp import hdrs, web

from commonroom.errors import Forbidden, Unauthenticated
from commonroom.http.services import SERVICES, Services
from commonroom.identity import Authority
from commonroom.storage.repository.login_session import LoginSession

__all__ = ["COOKIE", "authority_of", "clear_cookie", "login_of", "set_cookie"]

COOKIE = "commonroom_session"
COOKIE_AGE_S = 400 * 86400
"""Browsers keep no cookie for longer (RFC 6265bis)."""

SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
MAX_SECRET = 200
AUTHORITY_MS = 60_000
"""How long what one request proved may be relied on by the actor it reaches."""


async def login_of(request: web.Request) -> LoginSession:
    """The request's login session.

    Raises:
        Unauthenticated: none, or its secret is not known.
        Forbidden: a write by cookie from a page that is not ours.
    """
    services = request.app[SERVICES]
    secret = _bearer(request)
    if secret is None:
        secret = request.cookies.get(COOKIE)
        if secret is not None and request.method not in SAFE and not _from_our_page(request, services):
            raise Forbidden("this request comes from another site")
    login = await services.login_sessions.find(secret) if secret and len(secret) <= MAX_SECRET else None
    if login is None:
        raise Unauthenticated("sign in first")
    return login


def authority_of(request: web.Request, login: LoginSession) -> Authority:
    """What an actor is told about the sender."""
    expires_at = request.app[SERVICES].clock.now() + AUTHORITY_MS
    return Authority(login.principal, login.sid, login.name, expires_at)


def set_cookie(response: web.Response, secret: str, *, secure: bool) -> None:
    """Hand the secret to the browser, out of reach of scripts."""
    response.set_cookie(COOKIE, secret, max_age=COOKIE_AGE_S, httponly=True, secure=secure, samesite="Lax", path="/")


def clear_cookie(response: web.Response, *, secure: bool) -> None:
    """Have the browser forget the secret."""
    response.del_cookie(COOKIE, httponly=True, secure=secure, samesite="Lax", path="/")


def _bearer(request: web.Request) -> str | None:
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("the authorization header must be: Bearer <token>")
    return secret.strip()


def _from_our_page(request: web.Request, services: Services) -> bool:
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    origin = request.headers.get(hdrs.ORIGIN)
    if not origin:
        return False
    ours = {f"http://{request.host}", f"https://{request.host}", *services.settings.allowed_origins}
    if services.settings.public_url:
        ours.add(services.settings.public_url.rstrip("/"))
    return origin in ours
