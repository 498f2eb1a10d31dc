"""People, as admins look them up: /v1/admin/users"""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from commonroom.account.name import folded
from commonroom.errors import Invalid, NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import answer, positive
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.admin.moderation import shapes_of
from commonroom.http.routes.admin.paging import CURSOR, LARGEST_PAGE, LIMIT, PAGE, cursor_of, cut
from commonroom.http.routes.admin.record import look_at, record
from commonroom.http.routes.admin.shape import ReportShape, SanctionShape, faces_of, people_of, report_shape
from commonroom.http.services import SERVICES
from commonroom.http.shape import PrincipalShape, RoomCard, Shape, principal_shape, room_card
from commonroom.http.who import principal_of
from commonroom.identity import Principal
from commonroom.storage.repository.report import Report

__all__ = ["TABLE"]

MAX_QUERY = 254
SHOWN = 50
"""Of each of somebody's lists, the latest."""


class UserRow(Shape, frozen=True):
    """An account in a list. `email` None: it has none."""

    id: str
    username: str | None
    name: str
    email: str | None
    role: str
    created_at: int


class PageOfUsers(Shape, frozen=True):
    """The newest first; `next_cursor` None: there are no more."""

    users: list[UserRow]
    next_cursor: str | None


class Place(Shape, frozen=True):
    """Where somebody is signed in. Times in cluster ms."""

    session_id: str
    agent: str
    created_at: int
    last_seen: int


class Dossier(Shape, frozen=True):
    """A person: an account, or a guest (`account` None). Of each list the latest 50."""

    principal: PrincipalShape
    name: str
    account: UserRow | None
    guests: list[str]
    sessions: list[Place]
    sanctions: list[SanctionShape]
    reports_about: list[ReportShape]
    reports_by: list[ReportShape]
    rooms: list[RoomCard]


async def find_users(request: web.Request) -> web.Response:
    """Accounts whose username, name or mail address begins with `q`, or whose id it is; without `q` all, the newest first."""
    query = request.query.get("q", "").strip()
    if len(query) > MAX_QUERY or not query.isprintable():
        raise Invalid(f"q has up to {MAX_QUERY} characters", field="q")
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    found = await request.app[SERVICES].desk.directory.find(query.lower(), folded(query), cursor_of(request), limit + 1)
    shown, more = cut(found, limit)
    if query and len(shown) == 1:
        look_at(request, "q", f"user:{shown[0].id}")
    return answer(PageOfUsers([UserRow(*one) for one in shown], shown[-1].id if more else None))


async def read_user(request: web.Request) -> web.Response:
    """One person: where they are signed in, what was imposed on them, what they told and what others told of them, their rooms."""
    services = request.app[SERVICES]
    who = await _who(request)
    desk, now = services.desk, services.clock.now()
    user = await services.users.by_id(who.actor_id) if who.actor_type == "user" else None
    guests = await desk.directory.guests_of(who.actor_id)
    ids = [who.actor_id, *guests]
    account = None
    if user is not None:
        account = UserRow(user.id, user.username, user.display_name, user.email, user.role, user.created_at)
    places = await services.login_sessions.signed_in(who)
    rooms = await desk.directory.rooms_of(ids, SHOWN)
    dossier = Dossier(
        principal_shape(who),
        (await faces_of(request, [who]))[who.actor_id].name,
        account,
        guests,
        [Place(one.sid, one.agent, one.created_at, one.last_seen) for one in places[:SHOWN]],
        await shapes_of(request, await desk.sanctions.list(who.actor_id, now, None, SHOWN, standing=False)),
        await _reports(request, await desk.reports.about(ids, SHOWN)),
        await _reports(request, await desk.reports.by(ids, SHOWN)),
        [room_card(room, info) for room, info in rooms],
    )
    return answer(dossier)


async def end_sessions(request: web.Request) -> web.Response:
    """Sign somebody out everywhere, but no other admin. Who knows the password signs in again."""
    who = await _who(request)
    ended = await request.app[SERVICES].desk.judgement.end_sessions(authority_of(request), who)
    record(request, "admin.session.end", who, f"{ended} login sessions ended")
    return web.Response(status=204)


async def _who(request: web.Request) -> Principal:
    named = request.match_info["user"]
    return await principal_of(request, named if ":" in named else f"user:{named}")


async def _reports(request: web.Request, reports: list[Report]) -> list[ReportShape]:
    faces = await faces_of(request, people_of(reports))
    return [report_shape(one, faces) for one in reports]


USER = Parameter("user", "path", str, "The user's id, or `guest:<id>`.")
QUERY = Parameter("q", "query", Annotated[str, Meta(max_length=MAX_QUERY)], "How their username, name or mail address begins, or their id.")

TABLE = (
    Route("GET", "/v1/admin/users", "admin.read", find_users, (QUERY, LIMIT, CURSOR), answer=PageOfUsers),
    Route("GET", "/v1/admin/users/{user}", "admin.read", read_user, (USER,), answer=Dossier, errors=(NotFound,)),
    Route("DELETE", "/v1/admin/users/{user}/sessions", "admin.session.end", end_sessions, (USER,), status=204, errors=(NotFound,)),
)
