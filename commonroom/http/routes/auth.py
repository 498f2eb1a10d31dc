"""Login sessions: begun as a guest, refreshed, ended. /v1/guests, /v1/auth/…"""

from typing import Annotated

from aiohttp import hdrs, web
from msgspec import Meta

from commonroom.errors import Conflict, Unauthenticated
from commonroom.http.auth import agent_of, authority_of, clear_cookie, cookie_of, present_login, session_answer
from commonroom.http.body import Body, clean_name, read, read_or
from commonroom.http.limit import admit
from commonroom.http.route import Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import Session
from commonroom.limit.limit import GUESTS, REFRESHES

__all__ = ["TABLE"]

RefreshToken = Annotated[str, Meta(min_length=1, max_length=4096)]


class NewGuest(Body, frozen=True):
    """How a guest wants to be called; `cookie` false: the refresh token comes in the answer, for clients that are no browsers."""

    name: Annotated[str, Meta(max_length=256)]
    cookie: bool = True


class Refresh(Body, frozen=True):
    """The refresh token, if it is not in the cookie."""

    refresh_token: RefreshToken | None = None


async def create_guest(request: web.Request) -> web.Response:
    """A new guest."""
    wanted = await read(request, NewGuest)
    signed_in = await request.app[SERVICES].logins.new_guest(clean_name(wanted.name), agent_of(request))
    return session_answer(request, signed_in, cookie=wanted.cookie, status=201)


async def refresh(request: web.Request) -> web.Response:
    """Exchange the refresh token, which is over then, for new tokens.

    Used again within half a minute it brings the same ones (two tabs, a lost answer);
    later it is taken for stolen, and the login session ends.
    """
    given = (await read_or(request, Refresh())).refresh_token
    token = given or cookie_of(request)
    if token is None:
        raise Unauthenticated("sign in first")
    logins = request.app[SERVICES].logins
    await admit(request, session=logins.sid_of(token))
    return session_answer(request, await logins.refresh(token), cookie=given is None)


async def log_out(request: web.Request) -> web.Response:
    """End this login session for good: no token or socket of it works any more, on any node.

    By cookie, a token that another tab has used meanwhile does as well, and one whose login session has ended is no error.
    """
    logins = request.app[SERVICES].logins
    if hdrs.AUTHORIZATION in request.headers:
        await logins.end(authority_of(request).sid)
    elif (token := cookie_of(request)) is not None:
        await logins.end_by(token)
    else:
        raise Unauthenticated("sign in first")
    return _forgotten(request)


async def log_out_everywhere(request: web.Request) -> web.Response:
    """End all login sessions of this person, this one too."""
    logins, authority = request.app[SERVICES].logins, authority_of(request)
    await logins.end(authority.sid)  # a guest's token may be from before the session was signed in
    await logins.end_all(authority.principal.actor_id)
    return _forgotten(request)


async def log_out_others(request: web.Request) -> web.Response:
    """End all other login sessions of this person; this one and its tokens stay."""
    login = await present_login(request)
    await request.app[SERVICES].logins.end_all(login.principal.actor_id, login.sid)
    return web.Response(status=204)


def _forgotten(request: web.Request) -> web.Response:
    response = web.Response(status=204)
    clear_cookie(request, response)
    return response


TABLE = (
    Route("POST", "/v1/guests", "guest.create", create_guest, body=NewGuest, answer=Session, status=201, signed_in=False, limits=(GUESTS,)),
    Route(
        "POST", "/v1/auth/refresh", "auth.refresh", refresh, body=Refresh, body_needed=False, answer=Session,
        signed_in="cookie", errors=(Conflict,), limits=(REFRESHES,),
    ),
    Route("POST", "/v1/auth/logout", "auth.sign_out", log_out, status=204, signed_in="either"),
    Route("POST", "/v1/auth/logout-all", "auth.sign_out_elsewhere", log_out_everywhere, status=204),
    Route("POST", "/v1/auth/logout-others", "auth.sign_out_elsewhere", log_out_others, status=204),
)  # fmt: skip
