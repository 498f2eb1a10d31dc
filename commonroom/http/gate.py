"""The table of permissions in front of every route (FEATURES P7): before limits, body and handler."""

import re
from functools import wraps
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from commonroom.http.auth import AUTHORITY, authority_of, present_login
from commonroom.http.route import Route
from commonroom.http.services import REQUEST_ID, SERVICES
from commonroom.log import bound
from commonroom.permissions import NEVER, TABLE, require_kind

__all__ = ["ACTION", "SECRET", "WHOM", "guarded", "place_of"]

ACTION = web.RequestKey("action", str)
"""The route's, for the audit."""
WHOM = web.RequestKey("whom", str)
"""Whom an admin asked about by a query, for the audit: see `routes/admin/record.py`."""
ID: Final = re.compile(r"[0-9a-z:._-]{1,64}")
SECRET: Final = frozenset({"code"})
"""Parts of paths that open something: no log has them."""


def guarded(route: Route, handler: Handler) -> Handler:
    """The handler for those to whom the route's action is not closed.

    Who shows something else than an access token is found out by the handler: such a route is open to everybody.
    A token may be a quarter of an hour old, so that somebody is an admin is asked of the database. What an admin did or
    looked at is audited.
    """
    is_of_admins = TABLE[route.action].user is NEVER

    @wraps(handler)
    async def gate(request: web.Request) -> web.StreamResponse:
        request[ACTION] = route.action
        if route.signed_in is True:
            authority = authority_of(request)
            require_kind(route.action, authority)
            if is_of_admins:
                login = await present_login(request)
                require_kind(route.action, login.authority(authority.expires_at))
        who = request[AUTHORITY].principal if AUTHORITY in request else None
        with bound(who=who, room=request.match_info.get("room")):
            if not is_of_admins:
                return await handler(request)
            return await _audited(request, handler, route.action)

    return gate


async def _audited(request: web.Request, handler: Handler, action: str) -> web.StreamResponse:
    try:
        return await handler(request)
    finally:  # whatever was answered: what was done before it failed was done
        audit, target = request.app[SERVICES].audit, place_of(request) + request.get(WHOM, "")
        audit.write("done", authority_of(request), action, target=target, why=request.method, request=request[REQUEST_ID])


def place_of(request: web.Request) -> str:
    """The path that was asked for, with ids in their places and nothing else that somebody wrote."""
    resource = request.match_info.route.resource
    if resource is None:
        return ""
    place = resource.canonical
    for name, value in request.match_info.items():
        place = place.replace(f"{{{name}}}", value if ID.fullmatch(value) and name not in SECRET else "-")
    return place
