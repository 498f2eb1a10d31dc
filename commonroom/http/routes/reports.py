"""Telling us about messages, people and rooms: /v1/reports"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from aiohttp import web
from msgspec import Meta

from commonroom.errors import Invalid, LimitExceeded, NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, clean_lines, read
from commonroom.http.hidden import hidden_from
from commonroom.http.route import Route
from commonroom.http.routes.rooms import view_of
from commonroom.http.services import SERVICES
from commonroom.http.shape import Shape
from commonroom.http.who import MAX_WHO, principal_of
from commonroom.identity import Authority, Principal
from commonroom.ids import new_id
from commonroom.limit.limit import REPORTS
from commonroom.protocol.wire import Offset
from commonroom.storage.projection.message_fold import ProjectedMessage
from commonroom.storage.repository.report import CopiedMessage, NewReport, ReportKind

__all__ = ["MAX_TEXT", "TABLE"]

BEFORE: Final = 10
AFTER: Final = 5
MAX_COPY_BYTES: Final = 64 * 1024
"""Of a copy, as it is stored: a hundred reports of one person are a few megabytes at most."""
MAX_TEXT: Final = 500
MAX_OPEN: Final = 100
"""Open reports of a person: who is not heard is not heard better by more."""


class Report(Body, frozen=True):
    """A message (`room` and `message`), a room (`room`), or somebody (`user`: a username, `user:<id>` or `guest:<id>`)."""

    kind: ReportKind
    text: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    room: Annotated[str, Meta(min_length=1, max_length=120)] | None = None
    message: Offset | None = None
    user: Annotated[str, Meta(min_length=1, max_length=MAX_WHO)] | None = None


class Reported(Shape, frozen=True):
    """The report: the same one, as long as it is open, however often its thing is reported by the same person."""

    id: str


class Thing(NamedTuple):
    """What is reported; see `NewReport`."""

    name: str
    room: str | None
    offset: int | None
    subject: Principal
    copy: list[CopiedMessage] | None


async def create_report(request: web.Request) -> web.Response:
    """Tell the server's admins. They see the message with what was said around it, as it read then, for 90 days."""
    services, authority = request.app[SERVICES], authority_of(request)
    wanted = await read(request, Report)
    text = clean_lines(wanted.text, "text")
    thing = await _thing(request, authority, wanted)
    if authority.owns(thing.subject):
        raise Invalid("that is yourself, or yours")
    reports = services.desk.reports
    if (known := await reports.known(authority.principal, thing.name)) is not None:
        return answer(Reported(known))
    if await reports.open_by(authority.actors) >= MAX_OPEN:
        raise LimitExceeded(f"{MAX_OPEN} reports of yours are open already")
    now = services.clock.now()
    new = NewReport(new_id(now), now, wanted.kind, text, authority.principal, *thing)
    return answer(Reported(await reports.add(new)), status=201)


async def _thing(request: web.Request, authority: Authority, wanted: Report) -> Thing:
    """Raises NotFound: they do not see such a thing. Invalid: not one thing is named."""
    if wanted.user is not None and wanted.room is None and wanted.message is None:
        who = await principal_of(request, wanted.user)
        return Thing(f"{who.actor_type}:{who.actor_id}", None, None, who, None)
    if wanted.room is None or wanted.user is not None:
        raise Invalid("name a message with its room, a room, or a user")
    if wanted.message is None:
        founder = (await view_of(request, authority, wanted.room)).info.created_by
        return Thing(f"room:{wanted.room}", wanted.room, None, founder, None)
    return await _message(request, authority, wanted.room, wanted.message)


async def _message(request: web.Request, authority: Authority, room: str, offset: int) -> Thing:
    await view_of(request, authority, room, "message.list")
    unseen = await _unseen(request, authority)
    read = await request.app[SERVICES].messages.around(room, offset, BEFORE, AFTER, authority.actors)
    around = [one for one in read if one.author not in unseen]
    message = next((one for one in around if one.offset == offset and not one.deleted), None)
    if message is None:
        raise NotFound("no such message")
    return Thing(f"message:{room}/{offset}", room, offset, message.author, _copy(around, offset))


async def _unseen(request: web.Request, authority: Authority) -> frozenset[Principal]:
    """Who hides from them. Whom they hide themselves they may report."""
    hidden = await hidden_from(request)
    if not hidden or authority.principal.actor_type == "guest":
        return hidden
    return await request.app[SERVICES].blocks.hiding(authority.principal)


def _copy(around: Sequence[ProjectedMessage], offset: int) -> list[CopiedMessage]:
    """The message and those next to it, in order, as far as there is room; itself in any case."""
    kept: list[CopiedMessage] = []
    size = 0
    for message in sorted(around, key=lambda one: abs(one.offset - offset)):
        copied = CopiedMessage(message.offset, message.at, message.author, message.text, message.edited_at, message.deleted)
        size += len(msgspec.msgpack.encode(copied))
        if kept and size > MAX_COPY_BYTES:
            break
        kept.append(copied)
    return sorted(kept, key=lambda one: one.offset)


TABLE = (
    Route(
        "POST", "/v1/reports", "report.create", create_report, body=Report, answer=Reported, status=201, also={200: Reported},
        errors=(NotFound, LimitExceeded), limits=REPORTS,
    ),
)  # fmt: skip
