"""Limits of routes: asked before the handler, or by it where the body says whom a limit counts.

A route names its limits (`Route.limits`). Whose keys the request's head tells are asked
before anything else is done. Where a typed mail address or a refresh token is needed, what
is known to be refused is refused before the body is read, and the handler calls `admit` before
it does anything that costs: all limits in one step, so that a request is one round trip at most
and one that is refused uses nothing up. Where a refusal doubles the wait, the handler asks once it
knows that the request makes sense.
A handler that asks a stranger first (a challenge's provider) bounds that by limits of its own (`count`), refuses before it
what is known to be refused (`refuse_foreseen`), and takes from the route's limits afterwards.
"""

from collections.abc import Iterable, Sequence
from functools import wraps
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from commonroom.account.proof import account_key
from commonroom.errors import InternalError
from commonroom.http.auth import authority_of
from commonroom.http.peer import address_of
from commonroom.http.route import Route
from commonroom.http.services import SERVICES
from commonroom.identity import ActorType
from commonroom.limit import Limit, Standing, Verdict, asks_of
from commonroom.limit.limit import Part, key_of
from commonroom.storage.repository.login_session import LoginSession

__all__ = ["admit", "count", "limited", "note_limits", "refuse_foreseen", "remember"]

AT_ADDRESS: Final[tuple[Part, ...]] = ("account", "address")
LIMITS: Final = web.RequestKey("limits", tuple[Limit, ...])
"""Those that the handler has to ask yet."""
STANDINGS: Final = web.RequestKey("standings", Sequence[Standing])


def limited(route: Route) -> Handler:
    """The route's handler behind the route's limits."""
    if not route.limits:
        return route.handler
    is_late = _is_late(route)

    @wraps(route.handler)
    async def handler(request: web.Request) -> web.StreamResponse:
        request[LIMITS] = route.limits
        if is_late:
            _refuse_known(request, route.limits)
        else:
            await admit(request)
        response = await route.handler(request)
        if LIMITS in request:
            raise InternalError("a handler did not ask its limits")
        return response

    return handler


async def admit(request: web.Request, *, email: str | None = None, session: str | None = None) -> None:
    """Ask for one of each of the route's limits. Those of an account are left out if no address was typed, or what is none.

    Args:
        email: as it was typed; all forms of one address are one account.
        session: of a request that shows no access token.

    Raises:
        RateLimited: one refuses; nothing is used up.
        TokenExpired, Unauthenticated: a limit of login sessions or users, and the request is of neither.
    """
    limits = request[LIMITS]
    del request[LIMITS]
    subject = _subject(request, limits, session)
    if email is not None and (account := account_key(email)):
        subject["account"] = account
    mark = key_of(AT_ADDRESS, subject) if "account" in subject else None
    asks = asks_of(limits, subject, _kind(request, limits))
    _judge(request, await request.app[SERVICES].limiter.take(asks, mark))


async def count(request: web.Request, limits: Sequence[Limit]) -> None:
    """Ask for one of each of these, which are not the route's. Raises RateLimited: one refuses; nothing is used up."""
    asks = asks_of(limits, _subject(request, limits, None), _kind(request, limits))
    _judge(request, await request.app[SERVICES].limiter.take(asks))


async def refuse_foreseen(request: web.Request) -> None:
    """Have the route's limits refuse now what they are known to refuse; else they are still to be asked, and nothing is used up.

    Raises:
        RateLimited: as `admit`, which is asked then: the refusal counts where it doubles the wait.
    """
    limits = request[LIMITS]
    if request.app[SERVICES].limiter.foresees(asks_of(limits, _subject(request, limits, None), _kind(request, limits))):
        await admit(request)
        request[LIMITS] = ()  # the store has forgotten: granted after all


async def remember(request: web.Request, login: LoginSession, email: str | None = None) -> None:
    """Somebody was signed in to at this address, which strangers cannot keep from them now (see `commonroom.limit.limit`).

    Args:
        email: theirs, if it is known; else it is looked up.
    """
    services = request.app[SERVICES]
    if email is None:
        user = await services.users.by_id(login.principal.actor_id)
        email = None if user is None else user.email
    if email is not None:
        subject: dict[Part, str] = {"account": account_key(email), "address": address_of(request)}
        await services.limiter.remember(key_of(AT_ADDRESS, subject))


def note_limits(request: web.Request, response: web.StreamResponse) -> None:
    """Tell what is left, as draft-ietf-httpapi-ratelimit-headers-09 says: q a period of w seconds, r left, all again in t seconds."""
    shown = [one for one in request.get(STANDINGS, ()) if not one.limit.is_of_strangers]
    if not shown:
        return
    response.headers["RateLimit-Policy"] = ", ".join(f'"{one.limit.name}";q={one.rate.burst};w={one.limit.period_s}' for one in shown)
    response.headers["RateLimit"] = ", ".join(f'"{one.limit.name}";r={one.remaining};t={-(-one.full_us // 1_000_000)}' for one in shown)


def _is_late(route: Route) -> bool:
    parts = {part for limit in route.limits for part in limit.by}
    doubles = any(limit.longest_s for limit in route.limits)
    return doubles or "account" in parts or ("session" in parts and route.signed_in == "cookie")


def _refuse_known(request: web.Request, limits: Iterable[Limit]) -> None:
    """What the address alone is refused needs no body."""
    subject: dict[Part, str] = {"address": address_of(request)}
    if (refused := request.app[SERVICES].limiter.refusal(asks_of(limits, subject))) is not None:
        _judge(request, refused)


def _subject(request: web.Request, limits: Iterable[Limit], session: str | None) -> dict[Part, str]:
    """Who asks, of those that are counted."""
    parts = {part for limit in limits for part in limit.by}
    subject: dict[Part, str] = {}
    if "address" in parts or "account" in parts:
        subject["address"] = address_of(request)
    if "user" in parts:
        subject["user"] = authority_of(request).principal.actor_id
    if "session" in parts:
        subject["session"] = session or authority_of(request).sid
    return subject


def _kind(request: web.Request, limits: Iterable[Limit]) -> ActorType | None:
    """What kind of person asks, where a limit counts only one kind."""
    return authority_of(request).principal.actor_type if any(limit.of for limit in limits) else None


def _judge(request: web.Request, verdict: Verdict) -> None:
    request[STANDINGS] = verdict.standings
    verdict.require()
