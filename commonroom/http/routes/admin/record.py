"""What admins do to people and whom they look at, line by line."""

from aiohttp import web

from commonroom.http.auth import authority_of
from commonroom.http.gate import WHOM
from commonroom.http.services import REQUEST_ID, SERVICES
from commonroom.identity import Principal

__all__ = ["look_at", "record"]


def record(request: web.Request, action: str, whom: Principal, what: str) -> None:
    """A line of the audit, right after it was done, so that it is there whatever fails later.

    Args:
        action: as in the table of permissions.
        what: kinds and ids, never what somebody wrote.
    """
    target = f"{whom.actor_type} {whom.actor_id}"
    request.app[SERVICES].audit.write("done", authority_of(request), action, target=target, why=what, request=request[REQUEST_ID])


def look_at(request: web.Request, parameter: str, ident: str) -> None:
    """The line about the request itself names whom this parameter of its query means: an id, never what was typed."""
    request[WHOM] = f"?{parameter}={ident}"
