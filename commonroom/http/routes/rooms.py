"""Rooms: found one, look at one. /v1/rooms"""

import re
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from commonroom.challenge import ROOM_CREATE, ChallengeToken
from commonroom.engine.address import Address
from commonroom.errors import BadFrame, ChallengeFailed, Conflict, InternalError, LimitExceeded, NotFound, SignInNeeded
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, read
from commonroom.http.challenge import prove_person
from commonroom.http.hidden import hidden_from
from commonroom.http.limit import admit
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import RoomDetail, room_detail
from commonroom.identity import Authority, Principal
from commonroom.ids import derived_id, new_id
from commonroom.limit.limit import FOUNDINGS, READS_BY_ADDRESS, ROOM_READS
from commonroom.permissions import require
from commonroom.protocol.room import (
    FilteredWords,
    Language,
    RoomCreate,
    RoomView,
    SizeLimit,
    Tags,
    Theme,
    Title,
    Topic,
    Visibility,
)
from commonroom.protocol.timer import PhaseMillis, TimerPolicy, TimerSettings

__all__ = ["KEY", "ROOM", "TABLE", "Lengths", "nonce_of", "room_address", "shown", "view_of"]

IDEMPOTENCY_KEY = re.compile("^[!-~]{8,64}$")
ROOM_ID = re.compile("^[0-9a-z:._-]{1,120}$")
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
    visibility: Visibility = "unlisted"
    timer: Lengths = Lengths()
    filtered_words: FilteredWords = []
    tags: Tags = []
    size_limit: SizeLimit = 0
    theme: Theme = "plain"
    timer_policy: TimerPolicy = "everyone"
    challenge: ChallengeToken = ""


async def create_room(request: web.Request) -> web.Response:
    """Found a room; answered once it is durable.

    With an Idempotency-Key a repeat is the same room: the id follows from login session
    and key, and the room knows the key as its creation's nonce. It counts as another try.
    Where guests have to prove being a person (`challenge` of GET /v1/auth/providers), they send a
    challenge token; a repeat of what is done needs no other one.
    """
    authority = authority_of(request)
    wanted = await read(request, NewRoom)
    if wanted.visibility == "public":
        require("room.create.public", authority)
    room, nonce = _identity(request, authority)
    await prove_person(request, authority, wanted.challenge, ROOM_CREATE, room)
    await admit(request)  # after the proof: the rooms of an address are not used up by who proves nothing
    await request.app[SERVICES].founding.check_cap(authority, room)
    timer = wanted.timer
    command = RoomCreate(
        ref=1, room=room, nonce=nonce, kind="study", title=wanted.title, topic=wanted.topic,
        language=wanted.language, visibility=wanted.visibility,
        timer=TimerSettings(timer.focus_ms, timer.short_break_ms, timer.long_break_ms, timer.long_every, timer.auto_start),
        filtered_words=wanted.filtered_words, tags=wanted.tags, size_limit=wanted.size_limit, theme=wanted.theme,
        timer_policy=wanted.timer_policy,
    )  # fmt: skip
    await request.app[SERVICES].router.ask(room_address(room), command, authority)
    return answer(room_detail(await view_of(request, authority, room), authority), status=201)


async def read_room(request: web.Request) -> web.Response:
    """One room, to whom it may be shown."""
    return await shown(request, request.match_info["room"])


async def shown(request: web.Request, room: str) -> web.Response:
    """The answer that a room is, as the request's sender sees it. Raises as `view_of`."""
    hidden, authority = await hidden_from(request), authority_of(request)
    return answer(room_detail(await view_of(request, authority, room, hidden=hidden), authority))


def room_address(room: str) -> Address:
    """A room's address; what cannot be a room's id is not found.

    Raises:
        NotFound: the id has another form.
    """
    if ROOM_ID.fullmatch(room) is None:
        raise NotFound("no such room")
    return Address("room", room)


async def view_of(
    request: web.Request, authority: Authority, room: str, action: str = "room.read", *, hidden: frozenset[Principal] = frozenset()
) -> RoomView:
    """The room as this person may see it, asked of the room itself.

    Args:
        hidden: who does not count.

    Raises:
        NotFound: it does not exist, or must look so.
        Unavailable: it does not answer.
    """
    view = await request.app[SERVICES].router.view(room_address(room), authority, action, hidden=hidden)
    if not isinstance(view, RoomView):
        raise InternalError("a room showed something else")
    return view


def _identity(request: web.Request, authority: Authority) -> tuple[str, str]:
    """The new room's id and its creation's nonce."""
    if (key := _key(request)) is None:
        room = new_id(request.app[SERVICES].clock.now())
        return room, room
    return derived_id(f"{authority.sid}:{key}"), key


def nonce_of(request: web.Request) -> str:
    """The nonce of the command that a request is: of its Idempotency-Key, so that a repeat is the same command, or a new one.

    The key counts for this method and path alone: under the same one something else is not taken for a repeat.

    Raises:
        BadFrame: the key is none.
    """
    key = _key(request)
    return new_id(request.app[SERVICES].clock.now()) if key is None else derived_id(f"{request.method} {request.path} {key}")


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise BadFrame("an Idempotency-Key has 8 to 64 visible ASCII characters")
    return key


ROOM = Parameter("room", "path", Annotated[str, Meta(pattern=ROOM_ID.pattern)], "The room's id.")
KEY = Parameter("Idempotency-Key", "header", Annotated[str, Meta(pattern=IDEMPOTENCY_KEY.pattern)], "Chosen at random, kept for retries.")
TABLE = (
    Route(
        "POST", "/v1/rooms", "room.create", create_room, (KEY,), body=NewRoom, answer=RoomDetail, status=201,
        errors=(ChallengeFailed, Conflict, LimitExceeded, SignInNeeded), limits=FOUNDINGS,
    ),
    Route(
        "GET", "/v1/rooms/{room}", "room.read", read_room, (ROOM,), answer=RoomDetail, errors=(NotFound,),
        limits=(ROOM_READS, READS_BY_ADDRESS),
    ),
)  # fmt: skip
