"""Guests and the login session of a request: /v1/guests, /v1/me, /v1/ws-token."""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta

from commonroom.http.auth import login_of, set_cookie
from commonroom.http.body import Body, answer, clean_name, read
from commonroom.http.routes.rooms import view_of
from commonroom.http.services import SERVICES
from commonroom.http.shape import Me, NewGuest, WsToken, person
from commonroom.identity import RoomGrant
from commonroom.storage.repository.login_session import LoginSession

__all__ = ["TABLE"]


class Name(Body, frozen=True):
    """How a person wants to be called."""

    name: Annotated[str, Meta(max_length=256)]


class Binding(Body, frozen=True):
    """The room a ws token is bound to; none: it admits wherever its owner may go."""

    room_id: Annotated[str, Meta(min_length=1, max_length=120)] | None = None


async def create_guest(request: web.Request) -> web.Response:
    """A new guest: its login session's secret as bearer token and as cookie."""
    services = request.app[SERVICES]
    wanted = await read(request, Name)
    login, secret = await services.login_sessions.create_guest(clean_name(wanted.name), services.clock.now())
    response = answer(NewGuest(person(login.principal, login.name), login.name, login.sid, secret), status=201)
    set_cookie(response, secret, secure=services.production)
    return response


async def read_me(request: web.Request) -> web.Response:
    """Who I am."""
    login = await login_of(request)
    return answer(Me(person(login.principal, login.name), login.name, login.sid))


async def rename_me(request: web.Request) -> web.Response:
    """Change my name. Rooms learn of it with the next ws token."""
    login = await login_of(request)
    name = clean_name((await read(request, Name)).name)
    await request.app[SERVICES].login_sessions.rename(login.sid, name)
    return answer(Me(person(login.principal, name), name, login.sid))


async def create_ws_token(request: web.Request) -> web.Response:
    """A short-lived token for the socket, bound to one room if asked (FEATURES P4)."""
    services = request.app[SERVICES]
    login = await login_of(request)
    wanted = await read(request, Binding)
    grant = None if wanted.room_id is None else await _grant(request, login, wanted.room_id)
    minted = services.tokens.mint(login.principal, login.sid, login.name, grant=grant)
    return answer(WsToken(minted.token, minted.expires_at))


async def _grant(request: web.Request, login: LoginSession, room: str) -> RoomGrant:
    """What a token for that room says: one may not bind to a room one may not see."""
    view = await view_of(request, login, room)
    role: Literal["host", "participant"] = "host" if view.info.created_by == login.principal else "participant"
    return RoomGrant(room, login.principal.actor_id, role)


TABLE = (
    ("POST", "/v1/guests", create_guest),
    ("GET", "/v1/me", read_me),
    ("PATCH", "/v1/me", rename_me),
    ("POST", "/v1/ws-token", create_ws_token),
)
