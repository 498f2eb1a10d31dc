"""All that is kept about me: /v1/me/export

Streamed as it is read, so that it takes the same memory however much there is, and one at
a time on a node, as each reads all messages there are (`commonroom.storage.repository.personal_data`).
What breaks off ends without its end (RFC 9112 section 7.1): a client cannot take it for whole.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec
from aiohttp import hdrs, web

from commonroom.clock import monotonic_s
from commonroom.errors import Unauthenticated, Unavailable
from commonroom.http.middleware import armoured
from commonroom.http.route import Route
from commonroom.http.routes.blocks import block_shape
from commonroom.http.routes.me import me_of
from commonroom.http.routes.preferences import PreferencesShape
from commonroom.http.services import REQUEST_ID, SERVICES
from commonroom.http.shape import Block, Me, PrincipalShape, Shape, principal_shape
from commonroom.identity import Principal, SessionId
from commonroom.limit.limit import DATA_EXPORTS, DATA_EXPORTS_BY_ADDRESS
from commonroom.storage.repository.personal_data import OwnMessage
from commonroom.storage.repository.report import Report

__all__ = ["EXPORTS", "TABLE", "Exports"]

BUSY_MS: Final = 5000
"""After which a client that met another's export may ask again."""

MOST: Final = 1000
"""Of reports and sanctions, the latest: more than limits let anybody come to in the time that they are kept."""

PATIENCE_S: Final = 300.0
"""So long a client may keep an export waiting in all: others wait for it to end."""

Row = TypeVar("Row")


class OwnMethod(Shape, frozen=True):
    """A provider that is linked; `subject` is who one is there."""

    provider: str
    subject: str
    email: str | None
    linked_at: int


class OwnLogin(Shape, frozen=True):
    """A login session. `upgraded_at`: when the guest that it was became the user; times in cluster ms."""

    session_id: str
    agent: str
    created_at: int
    last_seen: int
    upgraded_at: int | None
    ended_at: int | None


class OwnRoomRow(Shape, frozen=True):
    """A room that I made."""

    id: str
    kind: str
    title: str
    topic: str
    language: str
    visibility: str
    created_at: int


class OwnMembershipRow(Shape, frozen=True):
    """A room that I am a member of; `invite`: the one by which I am."""

    room: str
    since: int
    invite: str | None


class OwnInviteRow(Shape, frozen=True):
    """An invite that I made, as long as its room knows it."""

    room: str
    created_at: int
    expires_at: int | None
    uses: int | None


class OwnMessageRow(Shape, frozen=True):
    """A message of mine as it reads now; `author`: the guest or user I was then."""

    room: str
    id: int
    at: int
    author: PrincipalShape
    text: str
    edited_at: int | None
    deleted: bool


class OwnReport(Shape, frozen=True):
    """What I told of a message, a room or somebody; `about`: whom it is about."""

    at: int
    kind: str
    text: str
    room: str | None
    message: int | None
    about: PrincipalShape
    resolved_at: int | None


class OwnSanction(Shape, frozen=True):
    """What an admin imposed on me, and why."""

    kind: str
    at: int
    until: int | None
    reason: str
    lifted_at: int | None


class OwnRoomAt(Shape, frozen=True):
    """A room I was in or keep, and since when."""

    room: str
    at: int


class Head(Shape, frozen=True):
    """What is small enough to be read at once. `me` is what /v1/me answers: a user's has more fields."""

    exported_at: int
    me: Me
    methods: list[OwnMethod]
    sessions: list[OwnLogin]
    reports: list[OwnReport]
    sanctions: list[OwnSanction]
    blocks: list[Block]
    recent_rooms: list[OwnRoomAt]
    favourite_rooms: list[OwnRoomAt]
    preferences: PreferencesShape
    last_seen: int | None


class Export(Head, frozen=True):
    """All that is kept about me. Messages are in no order; of one that is there twice the later counts: it changed meanwhile."""

    rooms: list[OwnRoomRow]
    memberships: list[OwnMembershipRow]
    invites: list[OwnInviteRow]
    messages: list[OwnMessageRow]


class Exports:
    """The exports under way on this node: one at most."""

    def __init__(self) -> None:
        self._is_busy = False
        self.is_closing = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Raises Unavailable: another is under way."""
        if self._is_busy:
            raise Unavailable("another export is under way on this server", retry_after_ms=BUSY_MS)
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False

    async def close(self, _app: web.Application) -> None:
        """The node ends: whatever is under way breaks off."""
        self.is_closing = True


EXPORTS = web.AppKey("exports", Exports)


class _Stream:
    """The answer under way, and how long its reader may still keep it waiting."""

    def __init__(self, request: web.Request, sid: SessionId) -> None:
        self._request = request
        self._sid = sid
        self._response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "application/json", hdrs.CONTENT_DISPOSITION: 'attachment; filename="commonroom-export.json"'}
        )
        self._patience_s = PATIENCE_S

    async def begin(self) -> None:
        armoured(self._response, self._request[REQUEST_ID])  # its head goes before the middleware sees it
        await self._response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Returns once the client has taken most of it.

        Raises:
            ConnectionResetError: it left.
            Unavailable: it takes nothing, or the node ends.
            Unauthenticated: its login session has ended.
        """
        services = self._request.app[SERVICES]
        if self._request.app[EXPORTS].is_closing:
            raise Unavailable("the server ends")
        if services.logins.has_ended(self._sid):
            raise Unauthenticated("the login session has ended")
        began_s = monotonic_s()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._response.write(data)
        except TimeoutError:
            raise Unavailable("the client does not read") from None
        self._patience_s -= monotonic_s() - began_s

    async def write_list(self, name: str, batches: AsyncIterator[list[Row]], shape: Callable[[Row], Shape]) -> None:
        """A field. Each batch sends something, so that who has left is noticed and proxies see life."""
        await self.write(f',"{name}":['.encode())
        comma = b""
        async for batch in batches:
            rows = b",".join(msgspec.json.encode(shape(row)) for row in batch)
            await self.write(b"".join((comma, rows, b"\n")) if rows else b"\n")
            comma = b"," if rows else comma
        await self.write(b"]")

    async def end(self) -> web.StreamResponse:
        await self.write(b"}")
        await self._response.write_eof()
        return self._response

    def abort(self) -> None:
        """No end is sent, and nothing else any more."""
        if self._request.transport is not None:
            self._request.transport.abort()


async def export_me(request: web.Request) -> web.StreamResponse:
    """All that is kept about me, as a file. It takes a while; one at a time is made on a server."""
    me = await me_of(request)
    with request.app[EXPORTS].turn():
        head = await _head(request, me)
        stream, is_whole = _Stream(request, SessionId(me.session_id)), False
        await stream.begin()
        try:
            await _send(request, stream, head)
            response = await stream.end()
            is_whole = True
        finally:
            if not is_whole:
                stream.abort()  # before anybody could answer with an error, which would be read as a part of it
    return response


async def _head(request: web.Request, me: Me) -> Head:
    services, principal = request.app[SERVICES], Principal(me.principal.actor_type, me.principal.actor_id)
    methods = await services.personal_data.methods(principal.actor_id)
    logins = await services.personal_data.logins(principal)
    now, sessions = services.clock.now(), [OwnLogin(*one) for one in logins]
    reports = await services.desk.reports.by(_actors(me, sessions), MOST)
    sanctions = await services.desk.sanctions.list(principal.actor_id, now, None, MOST, standing=False)
    return Head(
        now,
        me,
        [OwnMethod(*one) for one in methods],
        sessions,
        [_own_report(one) for one in reports],
        [OwnSanction(one.kind, one.at, one.until, one.reason, one.lifted_at) for one in sanctions if one.kind != "shadow"],
        [block_shape(one) for one in await services.blocks.list(principal.actor_id)],
        [OwnRoomAt(one.room, one.at) for one in await services.visits.all(principal.actor_id)],
        [OwnRoomAt(one.room, one.at) for one in await services.favourites.all(principal.actor_id)],
        PreferencesShape(*await services.preferences.of(principal.actor_id)),
        await services.preferences.seen_at(principal.actor_id),
    )


def _actors(me: Me, sessions: Sequence[OwnLogin]) -> list[str]:
    """Who they are and were."""
    return [me.principal.actor_id, *(one.session_id for one in sessions if one.upgraded_at is not None)]


def _own_report(report: Report) -> OwnReport:
    return OwnReport(report.at, report.kind, report.text, report.room, report.offset, principal_shape(report.subject), report.resolved_at)


async def _send(request: web.Request, stream: _Stream, head: Head) -> None:
    data = request.app[SERVICES].personal_data
    actors = _actors(head.me, head.sessions)
    await stream.write(msgspec.json.encode(head).removesuffix(b"}"))
    await stream.write_list("rooms", data.rooms(actors), lambda room: OwnRoomRow(*room))
    await stream.write_list("memberships", data.memberships(actors), lambda one: OwnMembershipRow(*one))
    await stream.write_list("invites", data.invites(actors), lambda one: OwnInviteRow(*one))
    await stream.write_list("messages", data.messages(actors), _message)


def _message(message: OwnMessage) -> OwnMessageRow:
    return OwnMessageRow(
        message.room, message.offset, message.at, principal_shape(message.author), message.text, message.edited_at, message.deleted
    )


TABLE = (Route("GET", "/v1/me/export", "me.export", export_me, answer=Export, limits=(DATA_EXPORTS, DATA_EXPORTS_BY_ADDRESS)),)
