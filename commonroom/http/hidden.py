"""Whom the sender of a request does not see."""

from aiohttp import web

from commonroom.http.auth import authority_of
from commonroom.http.services import SERVICES
from commonroom.identity import Principal

__all__ = ["hidden_from"]


async def hidden_from(request: web.Request) -> frozenset[Principal]:
    """As this node knows it, which follows the database within two seconds, and its own changes at once.

    Raises:
        TokenExpired, Unauthenticated: there is no sender.
        Unavailable: it is not known.
    """
    return await request.app[SERVICES].hidden.of(authority_of(request).principal)
