"""People as paths and bodies name them: a username, `user:<id>` or `guest:<id>`."""

from aiohttp import web

from commonroom.account.name import username_key
from commonroom.errors import Invalid, NotFound
from commonroom.http.services import SERVICES
from commonroom.identity import Principal

__all__ = ["MAX_WHO", "NOBODY", "named", "principal_of"]

MAX_WHO = 64
NOBODY = "no such person"


async def named(request: web.Request, who: str) -> Principal:
    """Whom that means in a room, which knows people by the names they came with: those with an id are taken as they are.

    Raises:
        NotFound: nobody has that username.
    """
    kind, colon, ident = who.partition(":")
    if colon and kind == "user":
        return Principal("user", ident)
    return Principal("guest", ident) if colon and kind == "guest" else await principal_of(request, who)


async def principal_of(request: web.Request, who: str) -> Principal:
    """Whom that means. A guest who became a user is that user.

    Raises:
        NotFound: nobody, or nobody any more.
    """
    services = request.app[SERVICES]
    kind, colon, ident = who.partition(":")
    if colon and kind in {"user", "guest"}:
        known = (await services.login_sessions.names([ident])).get(ident)
        if known is None or (kind == "user" and known.user != ident):
            raise NotFound(NOBODY)
        return Principal("user", known.user) if known.user is not None else Principal("guest", ident)
    try:
        user = await services.users.by_username(username_key(who.lower()))
    except Invalid:
        raise NotFound(NOBODY) from None
    if user is None:
        raise NotFound(NOBODY)
    return Principal("user", user.id)
