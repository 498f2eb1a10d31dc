"""Reports and sanctions: /v1/admin/reports, /v1/admin/sanctions"""

from typing import Annotated, Literal, get_args

from aiohttp import web
from msgspec import Meta

from commonroom.account.judgement import Closing, Verdict
from commonroom.errors import Conflict, Invalid, LimitExceeded, NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, chosen, clean_lines, positive, read
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.admin.paging import CURSOR, LARGEST_PAGE, LIMIT, PAGE, cursor_of, cut
from commonroom.http.routes.admin.record import look_at, record
from commonroom.http.routes.admin.shape import (
    PageOfReports,
    PageOfSanctions,
    ReportShape,
    SanctionShape,
    faces_of,
    people_of,
    report_shape,
    sanction_shape,
)
from commonroom.http.services import SERVICES
from commonroom.http.who import MAX_WHO, principal_of
from commonroom.identity import ActorType, Principal
from commonroom.protocol.wire import Millis
from commonroom.storage.repository.report import Outcome
from commonroom.storage.repository.sanction import Sanction, SanctionKind

__all__ = ["TABLE"]

MAX_NOTE = 500
State = Literal["open", "resolved"]
Order = Literal["latest", "oldest"]
Standing = Literal["standing", "all"]
Note = Annotated[str, Meta(max_length=MAX_NOTE)]
Reason = Annotated[str, Meta(min_length=1, max_length=MAX_NOTE)]


class Imposition(Body, frozen=True):
    """What to impose; `until` left out: until it is lifted. `reason`: whoever is banned reads it."""

    kind: SanctionKind
    reason: Reason
    until: Millis | None = None


class NewSanction(Imposition, frozen=True):
    """On whom: a username, `user:<id>` or `guest:<id>`. A guest who became a user is sanctioned as that."""

    who: Annotated[str, Meta(min_length=1, max_length=MAX_WHO)] = ""


class Resolution(Body, frozen=True):
    """What came of a report; with `sanction`, that is imposed on whom it is about, and the outcome must be `acted`."""

    outcome: Outcome
    note: Note = ""
    sanction: Imposition | None = None


async def list_reports(request: web.Request) -> web.Response:
    """What people told: what is open, or what was resolved in the last 90 days."""
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    found = await request.app[SERVICES].desk.reports.page(
        cursor_of(request),
        limit + 1,
        is_open=chosen(request, "state", get_args(State)) != "resolved",
        by=chosen(request, "by", get_args(ActorType)),
        oldest=chosen(request, "order", get_args(Order)) == "oldest",
    )
    shown, more = cut(found, limit)
    faces = await faces_of(request, people_of(shown))
    return answer(PageOfReports([report_shape(one, faces) for one in shown], shown[-1].id if more else None))


async def resolve_report(request: web.Request) -> web.Response:
    """Close a report, with what came of it; on the person that it is about something may be imposed at once."""
    services, authority = request.app[SERVICES], authority_of(request)
    wanted = await read(request, Resolution)
    note = clean_lines(wanted.note, "note")
    if wanted.sanction is not None and wanted.outcome != "acted":
        raise Invalid("with a sanction the outcome is acted", field="$.outcome")
    report = await services.desk.reports.get(request.match_info["report"])
    if report is None:
        raise NotFound("no such report")
    if report.resolved_at is not None:
        raise Conflict("this report was resolved before")
    verdict = None if wanted.sanction is None else _verdict(report.subject, wanted.sanction)
    resolved, sanction = await services.desk.judgement.resolve(authority, Closing(report.id, wanted.outcome, note), verdict)
    record(request, "admin.report.resolve", resolved.subject, f"report {resolved.id} {wanted.outcome}")
    if sanction is not None:
        _record_sanction(request, sanction)
    return answer(report_shape(resolved, await faces_of(request, people_of([resolved]))))


async def list_sanctions(request: web.Request) -> web.Response:
    """What was imposed, the latest first: in force, or all of the last year."""
    services = request.app[SERVICES]
    standing = chosen(request, "state", get_args(Standing)) != "all"
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    actor = await _asked_about(request)
    found = await services.desk.sanctions.list(actor, services.clock.now(), cursor_of(request), limit + 1, standing=standing)
    shown, more = cut(found, limit)
    return answer(PageOfSanctions(await shapes_of(request, shown), shown[-1].id if more else None))


async def impose(request: web.Request) -> web.Response:
    """Ban (no sign-in, all login sessions end), mute (may read, not write) or shadow (is heard by nobody else, and not told)."""
    wanted = await read(request, NewSanction)
    who = await principal_of(request, wanted.who)
    sanction = await request.app[SERVICES].desk.judgement.impose(authority_of(request), _verdict(who, wanted))
    _record_sanction(request, sanction)
    return answer((await shapes_of(request, [sanction]))[0], status=201)


async def lift(request: web.Request) -> web.Response:
    """End a sanction now. What was said under a shadow stays its author's."""
    lifted = await request.app[SERVICES].desk.judgement.lift(authority_of(request), request.match_info["sanction"])
    record(request, "admin.sanction", lifted.who, f"{lifted.kind} {lifted.id} lifted")
    return web.Response(status=204)


async def _asked_about(request: web.Request) -> str | None:
    if not (named := request.query.get("who")):
        return None
    who = await principal_of(request, named)
    look_at(request, "who", f"{who.actor_type}:{who.actor_id}")
    return who.actor_id


def _verdict(who: Principal, wanted: Imposition) -> Verdict:
    return Verdict(wanted.kind, who, wanted.until, clean_lines(wanted.reason, "reason"))


def _record_sanction(request: web.Request, sanction: Sanction) -> None:
    record(request, "admin.sanction", sanction.who, f"{sanction.kind} {sanction.id}")


async def shapes_of(request: web.Request, sanctions: list[Sanction]) -> list[SanctionShape]:
    """Sanctions with the people's names."""
    faces = await faces_of(request, [one.who for one in sanctions])
    return [sanction_shape(one, faces) for one in sanctions]


STATE = Parameter("state", "query", State, "Which of them; `open` if left out.")
ORDER = Parameter("order", "query", Order, "Which come first; `latest` if left out.")
BY = Parameter("by", "query", ActorType, "Only what users told, or guests; all if left out.")
STANDING = Parameter("state", "query", Standing, "Which of them; `standing` (in force) if left out.")
WHO = Parameter("who", "query", Annotated[str, Meta(max_length=MAX_WHO)], "Whose: a username, `user:<id>` or `guest:<id>`.")
REPORT = Parameter("report", "path", str, "The report's id.")
SANCTION = Parameter("sanction", "path", str, "The sanction's id.")
REFUSALS = (NotFound, LimitExceeded)

TABLE = (
    Route("GET", "/v1/admin/reports", "admin.read", list_reports, (STATE, BY, ORDER, LIMIT, CURSOR), answer=PageOfReports),
    Route(
        "POST", "/v1/admin/reports/{report}/resolve", "admin.report.resolve", resolve_report, (REPORT,), body=Resolution,
        answer=ReportShape, errors=(*REFUSALS, Conflict),
    ),
    Route(
        "GET", "/v1/admin/sanctions", "admin.read", list_sanctions, (WHO, STANDING, LIMIT, CURSOR),
        answer=PageOfSanctions, errors=(NotFound,),
    ),
    Route("POST", "/v1/admin/sanctions", "admin.sanction", impose, body=NewSanction, answer=SanctionShape, status=201, errors=REFUSALS),
    Route("DELETE", "/v1/admin/sanctions/{sanction}", "admin.sanction", lift, (SANCTION,), status=204, errors=(NotFound,)),
)  # fmt: skip
