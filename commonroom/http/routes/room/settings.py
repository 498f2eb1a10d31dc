"""What a room is, changed: PATCH /v1/rooms/{room}, /v1/rooms/{room}/archive"""

from aiohttp import web
from msgspec.structs import asdict

from commonroom.errors import Conflict, Forbidden, NotFound, RoomBanned, SignInNeeded
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, read, read_or
from commonroom.http.route import Route
from commonroom.http.routes.rooms import KEY, ROOM, nonce_of, room_address, shown
from commonroom.http.services import SERVICES
from commonroom.http.shape import RoomDetail
from commonroom.limit.limit import REQUESTS, ROOM_CHANGES
from commonroom.protocol.room import (
    FilteredWords,
    Language,
    RoomArchive,
    RoomUpdate,
    SizeLimit,
    SlowMillis,
    Tags,
    Theme,
    Title,
    Topic,
    Visibility,
)
from commonroom.protocol.timer import TimerPolicy
from commonroom.protocol.wire import Why

__all__ = ["TABLE"]


class RoomChange(Body, frozen=True):
    """What to change; what is left out stays. Co-hosts change `slowMs` and `locked` alone. Everybody in the room reads `why`."""

    title: Title | None = None
    topic: Topic | None = None
    language: Language | None = None
    visibility: Visibility | None = None
    tags: Tags | None = None
    size_limit: SizeLimit | None = None
    theme: Theme | None = None
    timer_policy: TimerPolicy | None = None
    slow_ms: SlowMillis | None = None
    locked: bool | None = None
    filtered_words: FilteredWords | None = None
    why: Why = ""


class Archiving(Body, frozen=True):
    """Whether the room is closed, or opened again."""

    archived: bool = True
    why: Why = ""


async def change_room(request: web.Request) -> web.Response:
    """Change what a room is. Its host does so, co-hosts a part of it; the timer's lengths are changed by socket."""
    wanted, room = await read(request, RoomChange), request.match_info["room"]
    command = RoomUpdate(ref=1, room=room, nonce=nonce_of(request), **asdict(wanted))
    await request.app[SERVICES].router.ask(room_address(room), command, authority_of(request))
    return await shown(request, room)


async def archive_room(request: web.Request) -> web.Response:
    """Close a room, or open it again: its host's. Nobody says anything in a closed one, and no list shows it."""
    wanted, room = await read_or(request, Archiving()), request.match_info["room"]
    command = RoomArchive(1, room, nonce_of(request), wanted.archived, wanted.why)
    await request.app[SERVICES].router.ask(room_address(room), command, authority_of(request))
    return await shown(request, room)


TABLE = (
    Route(
        "PATCH", "/v1/rooms/{room}", "room.update", change_room, (ROOM, KEY), body=RoomChange, answer=RoomDetail,
        errors=(NotFound, Forbidden, RoomBanned, SignInNeeded, Conflict), limits=(ROOM_CHANGES, REQUESTS),
    ),
    Route(
        "POST", "/v1/rooms/{room}/archive", "room.archive", archive_room, (ROOM, KEY), body=Archiving, body_needed=False,
        answer=RoomDetail, errors=(NotFound, Forbidden, RoomBanned, SignInNeeded, Conflict), limits=(ROOM_CHANGES, REQUESTS),
    ),
)  # fmt: skip
