"""Oneself: /v1/me, where one is signed in, tokens for the socket."""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta

from commonroom.account.name import folded
from commonroom.errors import Hidden, NotFound, SignInNeeded, Unauthenticated
from commonroom.http.auth import authority_of, clear_cookie, present_login
from commonroom.http.body import Body, answer, clean_name, read
from commonroom.http.profile import MAX_AVATAR, MAX_STATUS, clean_avatar, clean_status
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.rooms import view_of
from commonroom.http.services import SERVICES
from commonroom.http.shape import Account, Me, SignedInPlace, SignedInPlaces, WsToken, person
from commonroom.identity import Authority, RoomGrant, SessionId
from commonroom.ids import is_id
from commonroom.limit.limit import PROFILE_CHANGES, REQUESTS, WS_TOKENS
from commonroom.permissions import require_kind

__all__ = ["TABLE", "me_of"]

NO_SESSION = "no such login session"

AUTHORITY_MS = 60_000
"""How long what was just read may be relied on."""


class Profile(Body, frozen=True):
    """What to change; what is left out stays. Guests have a name only. `avatar`: a https URL, the path of a file here, or nothing."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    avatar: Annotated[str, Meta(max_length=MAX_AVATAR, extra_json_schema={"format": "uri-reference"})] | None = None
    status_text: Annotated[str, Meta(max_length=MAX_STATUS)] | None = None


class Binding(Body, frozen=True):
    """The room a ws token is bound to; none: it admits wherever its owner may go."""

    room_id: Annotated[str, Meta(min_length=1, max_length=120)] | None = None


async def read_me(request: web.Request) -> web.Response:
    """Who I am."""
    return answer(await me_of(request))


async def change_me(request: web.Request) -> web.Response:
    """Change my name, picture or status line. Rooms learn of a name with the next ws token."""
    services, authority = request.app[SERVICES], authority_of(request)
    wanted = await read(request, Profile)
    name = None if wanted.name is None else clean_name(wanted.name)
    avatar = None if wanted.avatar is None else clean_avatar(wanted.avatar)
    status = None if wanted.status_text is None else clean_status(wanted.status_text)
    if authority.principal.actor_type == "user":
        names = None if name is None else (name, folded(name))
        await services.users.change_profile(authority.principal.actor_id, name=names, avatar=avatar, status_text=status)
    elif avatar is not None or status is not None:
        require_kind("me.change.profile", authority)
    elif name is not None:
        await services.login_sessions.rename(authority.sid, name)
    return answer(await me_of(request))


async def list_sessions(request: web.Request) -> web.Response:
    """Where I am signed in."""
    authority = authority_of(request)
    places = await request.app[SERVICES].login_sessions.signed_in(authority.principal)
    shapes = [SignedInPlace(one.sid, one.agent, one.created_at, one.last_seen, one.sid == authority.sid) for one in places]
    return answer(SignedInPlaces(shapes))


async def end_session(request: web.Request) -> web.Response:
    """Sign out there. No token or socket of it works any more, on any node."""
    services, authority = request.app[SERVICES], authority_of(request)
    sid = SessionId(request.match_info["session"])
    if not is_id(sid):
        raise NotFound(NO_SESSION)
    if not await services.login_sessions.belongs(sid, authority.principal):
        raise await _missing(request, sid)
    await services.logins.end(sid)
    response = web.Response(status=204)
    if sid == authority.sid:
        clear_cookie(request, response)
    return response


async def _missing(request: web.Request, sid: SessionId) -> NotFound:
    """Somebody else's session is audited, and looks like none."""
    known = await request.app[SERVICES].login_sessions.find(sid)
    return NotFound(NO_SESSION) if known is None else Hidden(NO_SESSION)


async def create_ws_token(request: web.Request) -> web.Response:
    """A short-lived token for the socket, bound to one room if asked (FEATURES P4)."""
    services, login = request.app[SERVICES], await present_login(request)
    wanted = await read(request, Binding)
    authority = login.authority(services.clock.now() + AUTHORITY_MS)
    grant = None if wanted.room_id is None else await _grant(request, authority, wanted.room_id)
    minted = services.ws_tokens.mint(authority, grant)
    return answer(WsToken(minted.token, minted.expires_at))


async def _grant(request: web.Request, authority: Authority, room: str) -> RoomGrant:
    """What a token for that room says: one may not bind to a room one may not see."""
    view = await view_of(request, authority, room)
    role: Literal["host", "participant"] = "host" if authority.owns(view.info.host or view.info.created_by) else "participant"
    return RoomGrant(room, authority.principal.actor_id, role)


async def me_of(request: web.Request) -> Me:
    """What `GET /v1/me` says. Raises Unauthenticated, TokenExpired."""
    login = await present_login(request)
    if login.principal.actor_type == "guest":
        return Me(person(login.principal, login.name), login.name, login.sid, login.guests)
    user = await request.app[SERVICES].users.by_id(login.principal.actor_id)
    if user is None:
        raise Unauthenticated("the account was deleted")
    return Account(
        person(login.principal, user.display_name), user.display_name, login.sid, login.guests, user.role, user.username, user.email,
        user.password_hash is not None, user.avatar, user.status_text, user.created_at,
    )  # fmt: skip


SESSION = Parameter("session", "path", str, "Its `sessionId` in /v1/me/sessions.")

TABLE = (
    Route("GET", "/v1/me", "me.read", read_me, answer=Me | Account),
    Route(
        "PATCH", "/v1/me", "me.change", change_me, body=Profile, answer=Me | Account, errors=(SignInNeeded,),
        limits=(PROFILE_CHANGES, REQUESTS),
    ),
    Route("GET", "/v1/me/sessions", "me.sessions", list_sessions, answer=SignedInPlaces),
    Route("DELETE", "/v1/me/sessions/{session}", "me.sessions.end", end_session, (SESSION,), status=204, errors=(NotFound,)),
    Route(
        "POST", "/v1/ws-token", "ws_token.create", create_ws_token, body=Binding, answer=WsToken, errors=(NotFound,),
        limits=(WS_TOKENS, REQUESTS),
    ),
)  # fmt: skip
