"""Sign-in with a provider: /v1/auth/providers, /v1/auth/{provider}/…

A browser is sent there and comes back; what fails ends on the sign-in page with a word for
why, as nobody reads JSON there.
"""

from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web

from commonroom.account.flow import FLOW_TTL_S, Flow, Intent
from commonroom.account.proof import Identified, Visitor
from commonroom.account.provider import Identity, ProviderRefused, ProviderSilent, SignInCancelled, SignInError, SignInInvalid
from commonroom.challenge import ROOM_CREATE
from commonroom.errors import Banned, Conflict, NotFound, Unauthenticated
from commonroom.http.auth import COOKIE as REFRESH_COOKIE
from commonroom.http.auth import COOKIE_PATH, agent_of, authority_of, is_from_our_page, set_cookie
from commonroom.http.body import answer
from commonroom.http.gate import ACTION
from commonroom.http.limit import remember
from commonroom.http.peer import address_of
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.account import PROVIDER
from commonroom.http.services import REQUEST_ID, SERVICES
from commonroom.http.shape import ChallengeShape, Providers, ProviderShape, Redirect
from commonroom.identity import SessionId
from commonroom.limit.limit import ACCOUNT_CHANGES, AUTH_BY_ADDRESS
from commonroom.storage.repository.login_session import LoginSession

__all__ = ["FLOW_COOKIE", "TABLE"]

FLOW_COOKIE: Final = "commonroom_flow"
PROBLEMS: Final[dict[type[SignInError], str]] = {
    ProviderSilent: "provider-silent",
    ProviderRefused: "provider-refused",
    SignInCancelled: "cancelled",
    SignInInvalid: "begin-again",
}


async def list_providers(request: web.Request) -> web.Response:
    """What one can sign in with here, and what guests have to prove."""
    services = request.app[SERVICES]
    shapes = [ProviderShape(one.name, one.label) for one in services.providers.values()]
    widget = services.challenge.widget(ROOM_CREATE)
    return answer(Providers(shapes, services.mailer.configured, None if widget is None else ChallengeShape(*widget)))


async def start(request: web.Request) -> web.Response:
    """Go to a provider; `next` is the path to come back to. A guest stays where it is and becomes the user."""
    guest = await _browser_login(request)
    begun = await _begin(request, "sign_in", None if guest is None else guest.sid)
    response = web.Response(status=302, headers={hdrs.LOCATION: begun[0]})
    _set_flow(request, response, begun[1])
    return response


async def start_linking(request: web.Request) -> web.Response:
    """Begin to link a provider to my account: where to go."""
    authority = authority_of(request)
    url, cookie = await _begin(request, "link", authority.sid)
    response = answer(Redirect(url))
    _set_flow(request, response, cookie)
    return response


async def callback(request: web.Request) -> web.Response:
    """Come back from a provider."""
    services, provider = request.app[SERVICES], request.match_info["provider"]
    response = web.Response(status=302)
    try:
        flow, identity = await services.flows.finish(provider, request.cookies.get(FLOW_COOKIE), request.query)
        await _use(request, response, flow, identity)
        response.headers[hdrs.LOCATION] = flow.next
    except SignInError as error:
        response.headers[hdrs.LOCATION] = f"/login?problem={PROBLEMS[type(error)]}"
    except Unauthenticated:  # ended, or deleted, while the provider was asked
        response.headers[hdrs.LOCATION] = f"/login?problem={PROBLEMS[SignInInvalid]}"
    except Banned as error:
        services.audit.denied(error, None, request[REQUEST_ID], address_of(request), action=request[ACTION], where=request.path)
        response.headers[hdrs.LOCATION] = "/login?problem=banned"
    except Conflict:
        response.headers[hdrs.LOCATION] = "/login?problem=taken"
    response.del_cookie(FLOW_COOKIE, path=COOKIE_PATH, httponly=True, secure=services.production, samesite="Lax")
    return response


async def _use(request: web.Request, response: web.Response, flow: Flow, identity: Identity) -> None:
    services = request.app[SERVICES]
    email = identity.email if identity.email_verified else None
    who = Identified(identity.provider, identity.subject, email, identity.name)
    login = None if flow.sid is None else await services.login_sessions.find(flow.sid)
    if flow.intent == "link":
        if login is None:
            raise SignInInvalid("the login session that began to link has ended")
        await services.accounts.link(login.authority(0), who)
        return
    signed_in = await services.accounts.sign_in_by(who, Visitor(login, agent_of(request)))
    if login is not None and login.principal.actor_type == "user" and login.sid != signed_in.login.sid:
        await services.logins.end(login.sid)  # as `sign_in_answer` does; the browser that began says which it was
    await remember(request, signed_in.login)
    set_cookie(request, response, signed_in.refresh.token)


async def _begin(request: web.Request, intent: Intent, sid: SessionId | None) -> tuple[str, str]:
    services, provider = request.app[SERVICES], request.match_info["provider"]
    redirect_uri = f"{services.public_url()}/v1/auth/{quote(provider)}/callback"
    return await services.flows.begin(provider, redirect_uri, request.query.get("next"), intent, sid)


async def _browser_login(request: web.Request) -> LoginSession | None:
    token = request.cookies.get(REFRESH_COOKIE)
    return None if token is None or not is_from_our_page(request) else await request.app[SERVICES].logins.of(token)


def _set_flow(request: web.Request, response: web.Response, cookie: str) -> None:
    secure = request.app[SERVICES].production
    response.set_cookie(FLOW_COOKIE, cookie, max_age=FLOW_TTL_S, httponly=True, secure=secure, samesite="Lax", path=COOKIE_PATH)


NEXT = Parameter("next", "query", str, "The path to come back to; / if it is none of ours.")
CALLBACK = (
    Parameter("state", "query", str, "As it was sent to the provider."),
    Parameter("code", "query", str, "What the provider says instead of who it is."),
    Parameter("error", "query", str, "Why the provider says nothing."),
    Parameter("iss", "query", str, "The provider's issuer."),
)

TABLE = (
    Route("GET", "/v1/auth/providers", "auth.sign_in", list_providers, answer=Providers, signed_in=False),
    Route(
        "GET",
        "/v1/auth/{provider}/start",
        "auth.sign_in",
        start,
        (PROVIDER, NEXT),
        status=302,
        signed_in=False,
        errors=(NotFound,),
        limits=(AUTH_BY_ADDRESS,),
    ),
    Route("GET", "/v1/auth/{provider}/callback", "auth.sign_in", callback, (PROVIDER, *CALLBACK), status=302, signed_in=False),
    Route(
        "POST",
        "/v1/me/methods/{provider}",
        "me.methods",
        start_linking,
        (PROVIDER, NEXT),
        answer=Redirect,
        errors=(NotFound,),
        limits=(ACCOUNT_CHANGES,),
    ),
)
