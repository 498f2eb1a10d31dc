"""Who is in a room for good: /v1/rooms/{room}/members"""

from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta

from commonroom.errors import Invalid, NotFound, RoomBanned
from commonroom.http.auth import authority_of
from commonroom.http.body import Number, answer, positive
from commonroom.http.hidden import hidden_from
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.rooms import KEY, ROOM, nonce_of, room_address, view_of
from commonroom.http.services import SERVICES
from commonroom.http.shape import Author, Shape, author_fields
from commonroom.identity import Principal
from commonroom.limit.limit import READS_BY_ADDRESS, REQUESTS, ROOM_CHANGES, ROOM_READS
from commonroom.protocol.invite import RoomQuit
from commonroom.protocol.roster import Role

__all__ = ["TABLE"]

PAGE: Final = 50
LARGEST_PAGE: Final = 100
MAX_CURSOR: Final = 100


class Keeper(Author, frozen=True):
    """Somebody who keeps order in the room."""

    role: Role


class MemberRow(Author, frozen=True):
    """Somebody who is a member; `invite`: of which invite."""

    since: int
    invite: str | None


class MemberPage(Shape, frozen=True):
    """Host and co-hosts, on each page, and members, those of longest standing first. Somebody may be both."""

    keepers: list[Keeper]
    members: list[MemberRow]
    next_cursor: str | None


async def list_members(request: web.Request) -> web.Response:
    """Who comes into the room whatever becomes of it, to whoever may come in. Whom I do not see is left out; a second old at most."""
    services, room, cursor = request.app[SERVICES], request.match_info["room"], request.query.get("cursor") or None
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    if cursor is not None and len(cursor) > MAX_CURSOR:
        raise Invalid("cursor is not one of ours", field="cursor")
    view, hidden = await view_of(request, authority_of(request), room, "member.list"), await hidden_from(request)
    host = view.info.host or view.info.created_by
    roles: dict[Principal, Role] = {**dict.fromkeys(view.cohosts, "cohost"), host: "host"}
    page, next_cursor = await services.memberships.page(room, cursor, limit, {one.actor_id for one in hidden})
    names = await services.login_sessions.names({one.actor_id for one in (*roles, *(member.principal for member in page))})
    keepers = [Keeper(*author_fields(one, names), role) for one, role in roles.items() if one not in hidden]
    members = [MemberRow(*author_fields(one.principal, names), one.at, one.invite) for one in page]
    return answer(MemberPage(keepers, members, next_cursor))


async def quit_room(request: web.Request) -> web.Response:
    """Be a member of a room no longer, and leave it on all devices."""
    room = request.match_info["room"]
    await request.app[SERVICES].router.ask(room_address(room), RoomQuit(1, room, nonce_of(request)), authority_of(request))
    return web.Response(status=204)


PAGING = (
    Parameter("limit", "query", Number, f"Most members of the page; {PAGE} if left out, never more than {LARGEST_PAGE}."),
    Parameter("cursor", "query", Annotated[str, Meta(max_length=MAX_CURSOR)], "The `nextCursor` of the page before."),
)

TABLE = (
    Route(
        "GET", "/v1/rooms/{room}/members", "member.list", list_members, (ROOM, *PAGING), answer=MemberPage, errors=(NotFound,),
        limits=(ROOM_READS, READS_BY_ADDRESS),
    ),
    Route(
        "DELETE", "/v1/rooms/{room}/members/me", "room.quit", quit_room, (ROOM, KEY), status=204, errors=(NotFound, RoomBanned),
        limits=(ROOM_CHANGES, REQUESTS),
    ),
)  # fmt: skip
