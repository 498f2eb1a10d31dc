"""Why was I closed, what did I miss: /v1/me/connections, and for admins /v1/admin/users/{user}/connections"""

from collections.abc import Sequence
from typing import Literal

from aiohttp import web

from commonroom.codes import CloseCode
from commonroom.engine.trace import Trace
from commonroom.errors import NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import answer
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import PrincipalShape, Shape, principal_shape
from commonroom.http.who import principal_of
from commonroom.limit.limit import RECOLLECTIONS, RECOLLECTIONS_BY_ADDRESS

__all__ = ["TABLE"]

SHOWN = 100
NAMES = {int(code): code.name for code in CloseCode}


class ConnectionShape(Shape, frozen=True):
    """A socket. Moments in cluster ms.

    While it is open `closed_at` is null, `closed_by` empty and `code` 0. `code_name` is empty for codes that are not ours. Bytes are
    those of its TCP connection, null where the system does not tell; `bytes_owed` were not taken. `dropped` pushes were volatile:
    a newer one or a fresh snapshot took their place.
    """

    session: str
    principal: PrincipalShape
    session_id: str
    node: str
    opened_at: int
    closed_at: int | None
    closed_by: Literal["", "server", "client", "network"]
    code: int
    code_name: str
    reason: str
    rooms: int
    bytes_in: int | None
    bytes_out: int | None
    bytes_owed: int
    slowed: int
    dropped: int
    resumed: int
    reset: int
    refused: int


class ConnectionList(Shape, frozen=True):
    """The latest opened first, at most 100; those that are over for an hour. `complete` false: a node did not answer in time."""

    connections: list[ConnectionShape]
    complete: bool


async def my_connections(request: web.Request) -> web.Response:
    """My sockets of the last hour: why they were closed, and what they missed.

    Kept in memory by the node that served them, and gone with it: at most 50 of a person on each.
    """
    return await _recollected(request, authority_of(request).actors)


async def connections_of(request: web.Request) -> web.Response:
    """Somebody's sockets of the last hour: why they were closed, and what they missed."""
    named = request.match_info["user"]
    who = await principal_of(request, named if ":" in named else f"user:{named}")
    guests = await request.app[SERVICES].desk.directory.guests_of(who.actor_id)
    return await _recollected(request, [who.actor_id, *guests])


async def _recollected(request: web.Request, actors: Sequence[str]) -> web.Response:
    remembered = await request.app[SERVICES].recollect(actors)
    return answer(ConnectionList([_shape(node, trace) for node, trace in remembered.traces[:SHOWN]], remembered.complete))


def _shape(node: str, trace: Trace) -> ConnectionShape:
    return ConnectionShape(
        trace.session, principal_shape(trace.principal), trace.sid, node, trace.opened_at, trace.closed_at, trace.closed_by,
        trace.code, NAMES.get(trace.code, ""), trace.reason, trace.rooms, trace.bytes_in, trace.bytes_out, trace.bytes_owed,
        trace.slowed, trace.dropped, trace.resumed, trace.reset, trace.refused,
    )  # fmt: skip


USER = Parameter("user", "path", str, "The user's id, or `guest:<id>`.")

TABLE = (
    Route(
        "GET", "/v1/me/connections", "me.connections", my_connections, answer=ConnectionList,
        limits=(RECOLLECTIONS, RECOLLECTIONS_BY_ADDRESS),
    ),
    Route(
        "GET", "/v1/admin/users/{user}/connections", "admin.read", connections_of, (USER,), answer=ConnectionList,
        errors=(NotFound,), limits=(RECOLLECTIONS, RECOLLECTIONS_BY_ADDRESS),
    ),
)  # fmt: skip
