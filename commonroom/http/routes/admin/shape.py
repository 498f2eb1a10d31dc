"""What admins are shown, and how people are named in it."""

from collections.abc import Iterable

from aiohttp import web

from commonroom.http.services import SERVICES
from commonroom.http.shape import Author, MessageRow, RoomCard, Shape
from commonroom.identity import Principal
from commonroom.storage.repository.report import CopiedMessage, Outcome, Report, ReportKind
from commonroom.storage.repository.sanction import Sanction, SanctionKind

__all__ = [
    "Faces", "PageOfReports", "PageOfSanctions", "ReportShape", "RoomsOfAdmin", "SanctionShape",
    "faces_of", "people_of", "report_shape", "sanction_shape",
]  # fmt: skip


class SanctionShape(Shape, frozen=True):
    """A ban, mute or shadow; `until` None: until it is lifted; `by`, `liftedBy`: admins' ids. Times in cluster ms."""

    id: str
    kind: SanctionKind
    who: Author
    at: int
    until: int | None
    reason: str
    by: str
    lifted_at: int | None
    lifted_by: str | None


class PageOfSanctions(Shape, frozen=True):
    """The latest first; `next_cursor` None: there are no more."""

    sanctions: list[SanctionShape]
    next_cursor: str | None


class ReportShape(Shape, frozen=True):
    """A report, with the message and what was said around it as the reporter read it.

    `reporter` None: the account was deleted. `subject`: whom it is about. `copy` None: it is about no message, or it was told
    more than 90 days ago.
    """

    id: str
    at: int
    kind: ReportKind
    text: str
    reporter: Author | None
    subject: Author
    room: str | None
    message: int | None
    copy: list[MessageRow] | None
    resolved_at: int | None
    resolved_by: str | None
    outcome: Outcome | None
    note: str | None


class PageOfReports(Shape, frozen=True):
    """In the order that was asked for; `next_cursor` None: there are no more."""

    reports: list[ReportShape]
    next_cursor: str | None


class RoomsOfAdmin(Shape, frozen=True):
    """Rooms of any visibility, what they are; `next_cursor` None: there are no more."""

    rooms: list[RoomCard]
    next_cursor: str | None


Faces = dict[str, Author]
"""People by id, with the names of today."""


async def faces_of(request: web.Request, people: Iterable[Principal | None]) -> Faces:
    """How these people are seen today; who is gone has no name."""
    principals = {one.actor_id: one for one in people if one is not None}
    known = await request.app[SERVICES].login_sessions.names(principals)
    return {
        ident: Author(one.actor_type, ident, *((seen.name, seen.user) if (seen := known.get(ident)) else ("", None)))
        for ident, one in principals.items()
    }


def people_of(reports: Iterable[Report]) -> Iterable[Principal | None]:
    """Everybody in these reports."""
    for report in reports:
        yield from (report.reporter, report.subject, *(message.author for message in report.copy or ()))


def report_shape(report: Report, faces: Faces) -> ReportShape:
    """A report with people's names."""
    copy = None if report.copy is None else [_message(message, faces) for message in report.copy]
    reporter = None if report.reporter is None else faces[report.reporter.actor_id]
    return ReportShape(
        report.id, report.at, report.kind, report.text, reporter, faces[report.subject.actor_id], report.room, report.offset, copy,
        report.resolved_at, report.resolved_by, report.outcome, report.note,
    )  # fmt: skip


def sanction_shape(sanction: Sanction, faces: Faces) -> SanctionShape:
    """A sanction with the person's name."""
    one = sanction
    return SanctionShape(one.id, one.kind, faces[one.who.actor_id], one.at, one.until, one.reason, one.by, one.lifted_at, one.lifted_by)


def _message(message: CopiedMessage, faces: Faces) -> MessageRow:
    author = faces[message.author.actor_id]
    return MessageRow(message.offset, message.at, author, message.text, message.edited_at, message.deleted, None)
