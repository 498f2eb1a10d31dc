"""Rooms: found one, list the public ones, look at one. /v1/rooms"""

import re
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from commonroom.engine.address import Address
from commonroom.errors import BadFrame, Conflict, InternalError, Invalid, NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, Number, answer, positive, read
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import RoomDetail, RoomPage, room_card, room_detail
from commonroom.identity import Authority
from commonroom.ids import derived_id, new_id
from commonroom.protocol.room import Language, RoomCreate, RoomView, Title, Topic, Visibility
from commonroom.protocol.timer import PhaseMillis, TimerSettings

__all__ = ["ROOM", "TABLE", "room_address", "view_of"]

IDEMPOTENCY_KEY = re.compile("^[!-~]{8,64}$")
ROOM_ID = re.compile("^[0-9a-z:._-]{1,120}$")
PAGE = 20
LARGEST_PAGE = 100
MAX_CURSOR = 200
DEFAULTS = TimerSettings()


class Lengths(Body, frozen=True):
    """Timer settings; what is left out has its default."""

    focus_ms: PhaseMillis = DEFAULTS.focus_ms
    short_break_ms: PhaseMillis = DEFAULTS.short_break_ms
    long_break_ms: PhaseMillis = DEFAULTS.long_break_ms
    long_every: Annotated[int, Meta(ge=1, le=12)] = DEFAULTS.long_every
    auto_start: bool = DEFAULTS.auto_start


class NewRoom(Body, frozen=True):
    """A room to found."""

    title: Title
    topic: Topic = ""
    language: Language = "en"
    visibility: Visibility = "public"
    timer: Lengths = Lengths()


async def create_room(request: web.Request) -> web.Response:
    """Found a room; answered once it is durable.

    With an Idempotency-Key a repeat is the same room: the id follows from login session
    and key, and the room knows the key as its creation's nonce.
    """
    authority = authority_of(request)
    wanted = await read(request, NewRoom)
    room, nonce = _identity(request, authority)
    timer = wanted.timer
    command = RoomCreate(
        ref=1, room=room, nonce=nonce, kind="study", title=wanted.title, topic=wanted.topic,
        language=wanted.language, visibility=wanted.visibility,
        timer=TimerSettings(timer.focus_ms, timer.short_break_ms, timer.long_break_ms, timer.long_every, timer.auto_start),
    )  # fmt: skip
    await request.app[SERVICES].router.ask(room_address(room), command, authority)
    return answer(room_detail(await view_of(request, authority, room)), status=201)


async def list_rooms(request: web.Request) -> web.Response:
    """Public rooms, newest first, half a second old at most. Open to everybody."""
    page = await request.app[SERVICES].pages.get(request.raw_path, lambda: _page(request))
    return page.answer(request)


async def _page(request: web.Request) -> bytes:
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    cursor = request.query.get("cursor") or None
    if cursor is not None and len(cursor) > MAX_CURSOR:
        raise Invalid("cursor is not one of ours", field="cursor")
    rooms, next_cursor = await request.app[SERVICES].rooms.page(cursor, limit)
    return msgspec.json.encode(RoomPage([room_card(room, info) for room, info in rooms], next_cursor))


async def read_room(request: web.Request) -> web.Response:
    """One room, to whom it may be shown."""
    return answer(room_detail(await view_of(request, authority_of(request), request.match_info["room"])))


def room_address(room: str) -> Address:
    """A room's address; what cannot be a room's id is not found.

    Raises:
        NotFound: the id has another form.
    """
    if ROOM_ID.fullmatch(room) is None:
        raise NotFound("no such room")
    return Address("room", room)


async def view_of(request: web.Request, authority: Authority, room: str) -> RoomView:
    """The room as this person may see it, asked of the room itself.

    Raises:
        NotFound: it does not exist, or must look so.
        Unavailable: it does not answer.
    """
    view = await request.app[SERVICES].router.view(room_address(room), authority, "room.read")
    if not isinstance(view, RoomView):
        raise InternalError("a room showed something else")
    return view


def _identity(request: web.Request, authority: Authority) -> tuple[str, str]:
    """The new room's id and its creation's nonce."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        room = new_id(request.app[SERVICES].clock.now())
        return room, room
    if IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise BadFrame("an Idempotency-Key has 8 to 64 visible ASCII characters")
    return derived_id(f"{authority.sid}:{key}"), key


ROOM = Parameter("room", "path", Annotated[str, Meta(pattern=ROOM_ID.pattern)], "The room's id.")
KEY = Parameter("Idempotency-Key", "header", Annotated[str, Meta(pattern=IDEMPOTENCY_KEY.pattern)], "Chosen at random, kept for retries.")
PAGING = (
    Parameter("limit", "query", Number, f"Most rooms of the page; {PAGE} if left out, never more than {LARGEST_PAGE}."),
    Parameter("cursor", "query", Annotated[str, Meta(max_length=MAX_CURSOR)], "The `nextCursor` of the page before."),
)

TABLE = (
    Route("POST", "/v1/rooms", create_room, (KEY,), body=NewRoom, answer=RoomDetail, status=201, errors=(Conflict,)),
    Route("GET", "/v1/rooms", list_rooms, PAGING, answer=RoomPage, also={304: None}, signed_in=False),
    Route("GET", "/v1/rooms/{room}", read_room, (ROOM,), answer=RoomDetail, errors=(NotFound,)),
)
