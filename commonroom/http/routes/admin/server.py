"""The server: /v1/admin/rooms, limits, audit, cluster"""

from typing import Annotated, Final, Literal, get_args

from aiohttp import web
from msgspec import Meta
from msgspec.structs import asdict

from commonroom.audit import Outcome
from commonroom.engine.cluster.status import ClusterStatus
from commonroom.errors import Invalid
from commonroom.http.body import answer, chosen, positive
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.admin.paging import CURSOR, LARGEST_PAGE, LIMIT, PAGE, cursor_of, cut
from commonroom.http.routes.admin.record import look_at
from commonroom.http.routes.admin.shape import RoomsOfAdmin
from commonroom.http.services import SERVICES
from commonroom.http.shape import Shape, room_card
from commonroom.ids import is_id
from commonroom.limit.limit import LIMITS, LOCAL, Limit
from commonroom.protocol.room import Visibility
from commonroom.storage.repository.room import BEGINNING, position

__all__ = ["TABLE"]

MAX_ACTION = 64
LARGEST_ID = 2**63 - 1


class LimitShape(Shape, frozen=True):
    """So many at once and each period, times the scale; `by`: what has a count of its own; `of`: who is counted, null: everybody."""

    name: str
    amount: int
    period_s: int
    by: list[str]
    of: str | None
    longest_s: int


class LimitsInForce(Shape, frozen=True):
    """All limits. `scale` times their amounts are granted; 0: everything. `counters`: of the node that answers."""

    scale: float
    shared: list[LimitShape]
    local: list[LimitShape]
    counters: dict[str, int]


class AuditLine(Shape, frozen=True):
    """What somebody was refused (`denied`), or what an admin did (`done`). Empty: nobody was signed in."""

    id: int
    at: int
    outcome: Outcome
    actor_type: str
    actor_id: str
    sid: str
    action: str
    target: str
    why: str
    request: str


class PageOfAudit(Shape, frozen=True):
    """The latest first; `next_cursor` None: there are no more."""

    entries: list[AuditLine]
    next_cursor: str | None


async def list_rooms(request: web.Request) -> web.Response:
    """All rooms, the newest first, unlisted and private ones too: what they are, never what is said in them."""
    visibility, state = chosen(request, "visibility", VISIBILITIES), chosen(request, "state", STATES)
    is_archived = None if state is None else state == "archived"
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    cursor = cursor_of(request)
    before = BEGINNING if cursor is None else position(cursor)
    shown, more = cut(await request.app[SERVICES].desk.directory.rooms(visibility, is_archived, before, limit + 1), limit)
    next_cursor = f"{shown[-1][1].created_at}.{shown[-1][0]}" if more else None
    return answer(RoomsOfAdmin([room_card(room, info) for room, info in shown], next_cursor))


async def read_limits(request: web.Request) -> web.Response:
    """The limits in force, and what this node granted and refused since its start."""
    limiter = request.app[SERVICES].limiter
    counters = {"keys": limiter.keys, **asdict(limiter.stats)}
    return answer(LimitsInForce(limiter.scale, [_limit(one) for one in LIMITS], [_limit(one) for one in LOCAL], counters))


async def search_audit(request: web.Request) -> web.Response:
    """Who was refused what, and what admins did and looked at, of the last 90 days; the latest first."""
    actor, action = (_short(request, name) for name in ("actor", "action"))
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    before = positive(request, "cursor", None, LARGEST_ID)
    if actor is not None and is_id(actor):
        look_at(request, "actor", actor)
    shown, more = cut(await request.app[SERVICES].desk.audit.search(actor, action, before, limit + 1), limit)
    return answer(PageOfAudit([AuditLine(number, **asdict(entry)) for number, entry in shown], str(shown[-1][0]) if more else None))


async def read_cluster(request: web.Request) -> web.Response:
    """The nodes and their slots, as the node sees them that answers."""
    return answer(await request.app[SERVICES].desk.status())


def _limit(limit: Limit) -> LimitShape:
    return LimitShape(limit.name, limit.amount, limit.period_s, list(limit.by), limit.of, limit.longest_s)


def _short(request: web.Request, name: str) -> str | None:
    text = request.query.get(name) or None
    if text is not None and (len(text) > MAX_ACTION or not text.isprintable()):
        raise Invalid(f"{name} has up to {MAX_ACTION} characters", field=name)
    return text


Short = Annotated[str, Meta(max_length=MAX_ACTION)]
VISIBILITIES: Final[tuple[Visibility, ...]] = get_args(Visibility)
RoomState = Literal["open", "archived"]
STATES: Final[tuple[RoomState, ...]] = get_args(RoomState)
VISIBILITY = Parameter("visibility", "query", Visibility, "Only these; all if left out.")
STATE = Parameter("state", "query", RoomState, "Only these; all if left out.")
ACTOR = Parameter("actor", "query", Short, "Only what this id of a user or guest did.")
ACTION = Parameter("action", "query", Short, "Only this action, as in docs/PERMISSIONS.md.")

TABLE = (
    Route("GET", "/v1/admin/rooms", "admin.read", list_rooms, (VISIBILITY, STATE, LIMIT, CURSOR), answer=RoomsOfAdmin),
    Route("GET", "/v1/admin/limits", "admin.read", read_limits, answer=LimitsInForce),
    Route("GET", "/v1/admin/audit", "admin.read", search_audit, (ACTOR, ACTION, LIMIT, CURSOR), answer=PageOfAudit),
    Route("GET", "/v1/admin/cluster", "admin.read", read_cluster, answer=ClusterStatus),
)
