"""Who sends a request: an access token, as bearer; for a few routes the refresh token, as cookie.

A browser sends the cookie with whatever any page makes it send, so what it allows needs
proof that the page is ours (RELIABILITY S8): its Origin, compared whole. A bearer token
is proof by itself.
"""

from aiohttp import hdrs, web

from commonroom.account.login import SignedIn
from commonroom.account.proof import Purpose
from commonroom.errors import Forbidden, TokenExpired, Unauthenticated
from commonroom.http.body import answer
from commonroom.http.services import SERVICES
from commonroom.http.shape import Confirmed, Session, person
from commonroom.identity import Authority
from commonroom.storage.repository.login_session import LoginSession

__all__ = [
    "AUTHORITY",
    "COOKIE",
    "COOKIE_PATH",
    "agent_of",
    "authority_of",
    "clear_cookie",
    "cookie_of",
    "is_from_our_page",
    "login_of",
    "present_login",
    "session_answer",
    "set_cookie",
    "sign_in_answer",
]  # fmt: skip

AUTHORITY = web.RequestKey("authority", Authority)
"""What the access token proved, once it was looked at."""

COOKIE = "commonroom_refresh"
COOKIE_PATH = "/v1/auth"
COOKIE_AGE_S = 30 * 86400
MAX_AGENT = 200


def authority_of(request: web.Request) -> Authority:
    """What the request's access token proves. No I/O.

    Raises:
        TokenExpired, Unauthenticated: nothing.
    """
    if AUTHORITY in request:
        return request[AUTHORITY]
    token = _bearer(request)
    if token is None:
        raise Unauthenticated("sign in first")
    services = request.app[SERVICES]
    request[AUTHORITY] = authority = services.sanctions.marked(services.logins.proven(token))
    return authority


async def login_of(request: web.Request) -> LoginSession | None:
    """The login session there is, by access token or cookie; None: there is none. A token of the guest it was is not enough."""
    services = request.app[SERVICES]
    if _bearer(request) is not None:
        return await services.logins.current(authority_of(request))
    token = cookie_of(request)
    return None if token is None else await services.logins.of(token)


async def present_login(request: web.Request) -> LoginSession:
    """The login session of the request's access token as the database has it now: a token may be a quarter of an hour old.

    A guest's token brings nothing of the user whom its session became: whoever had it before the sign-in
    may be somebody else (session fixation).

    Raises:
        TokenExpired: the session was signed in since.
        Unauthenticated: there is no token, or the session has ended.
    """
    authority = authority_of(request)
    login = await request.app[SERVICES].login_sessions.find(authority.sid)
    if login is None:
        raise Unauthenticated("the login session has ended")
    if login.principal != authority.principal:
        raise TokenExpired("this login session was signed in: refresh it")
    return login


def cookie_of(request: web.Request) -> str | None:
    """The refresh token of the cookie, None if there is none.

    Raises:
        Forbidden: the request comes from a page that is not ours.
    """
    token = request.cookies.get(COOKIE)
    if token is not None and not is_from_our_page(request):
        raise Forbidden("this request comes from another site")
    return token


def session_answer(
    request: web.Request, signed_in: SignedIn, *, cookie: bool, status: int = 200, purpose: Purpose | None = None
) -> web.Response:
    """A login session's tokens. The refresh token goes into the cookie, out of reach of scripts, or else into the body."""
    login, access, refresh = signed_in
    session = (
        person(login.principal, login.name), login.name, login.sid, login.guests, login.role,
        access.token, access.expires_at, None if cookie else refresh.token,
    )  # fmt: skip
    response = answer(Session(*session) if purpose is None else Confirmed(*session, purpose), status)
    if cookie:
        set_cookie(request, response, refresh.token)
    return response


async def sign_in_answer(request: web.Request, signed_in: SignedIn, *, cookie: bool, purpose: Purpose | None = None) -> web.Response:
    """As `session_answer`, for a sign-in: a user's login session that was in the cookie before ends.

    Nobody could use it any more, and it would be shown for a month as a place where one is signed in.
    """
    token = request.cookies.get(COOKIE)
    if cookie and token is not None and is_from_our_page(request):
        await request.app[SERVICES].logins.end_replaced(token, signed_in.login)
    return session_answer(request, signed_in, cookie=cookie, purpose=purpose)


def set_cookie(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """Hand the refresh token to the browser."""
    secure = request.app[SERVICES].production
    response.set_cookie(COOKIE, token, max_age=COOKIE_AGE_S, httponly=True, secure=secure, samesite="Lax", path=COOKIE_PATH)


def clear_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser forget it."""
    response.del_cookie(COOKIE, httponly=True, secure=request.app[SERVICES].production, samesite="Lax", path=COOKIE_PATH)


def agent_of(request: web.Request) -> str:
    """What the client says it is, for people to recognise their devices."""
    return request.headers.get(hdrs.USER_AGENT, "").encode("ascii", "replace").decode()[:MAX_AGENT]


def _bearer(request: web.Request) -> str | None:
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("the authorization header must be: Bearer <token>")
    return token.strip()


def is_from_our_page(request: web.Request) -> bool:
    """Whether a page of ours made the browser send it, by its own word that pages cannot change."""
    services = request.app[SERVICES]
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    origin = request.headers.get(hdrs.ORIGIN)
    if not origin:
        return False
    ours = {f"http://{request.host}", f"https://{request.host}", *services.settings.allowed_origins}
    if services.settings.public_url:
        ours.add(services.settings.public_url.rstrip("/"))
    return origin in ours
