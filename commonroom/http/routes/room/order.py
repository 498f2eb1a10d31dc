"""Keeping order in a room: kick, ban, mute, and who is host and co-host (FEATURES P35)."""

from typing import Annotated

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta
from msgspec.structs import asdict

from commonroom.errors import Conflict, Forbidden, InternalError, LimitExceeded, NotFound, RoomBanned
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, read
from commonroom.http.route import Route
from commonroom.http.routes.rooms import KEY, ROOM, nonce_of, room_address
from commonroom.http.services import SERVICES
from commonroom.http.shape import Author, Shape, author_fields
from commonroom.http.who import MAX_WHO, named
from commonroom.limit.limit import READS_BY_ADDRESS, REQUESTS, ROOM_CHANGES, ROOM_READS
from commonroom.protocol.moderation import (
    Duration,
    ModerationCommand,
    RoomBan,
    RoomKick,
    RoomMute,
    RoomPenalties,
    RoomRole,
    RoomUnban,
    RoomUnmute,
)
from commonroom.protocol.roster import Role
from commonroom.protocol.wire import Why

__all__ = ["TABLE"]


class About(Body, frozen=True):
    """Somebody: a username, `user:<id>` or `guest:<id>`. Everybody in the room reads `why`."""

    person: Annotated[str, Meta(min_length=1, max_length=MAX_WHO)]
    why: Why = ""


class AboutFor(About, frozen=True):
    """As `About`; `duration_ms` null: until it is lifted."""

    duration_ms: Duration | None = None


class AboutRole(About, frozen=True, kw_only=True):
    """As `About`; `host` hands the room over, and who was its host becomes a co-host."""

    role: Role


class PenaltyRow(Author, frozen=True):
    """Somebody who is banned or muted; `until` null: until it is lifted."""

    until: int | None


class BanList(Shape, frozen=True):
    """All of them, the latest last; at most 1000."""

    bans: list[PenaltyRow]


class MuteList(Shape, frozen=True):
    """All of them, the latest last; at most 1000."""

    mutes: list[PenaltyRow]


async def kick_person(request: web.Request) -> web.Response:
    """Have somebody leave a room. They may come again, but are its member no longer."""
    return await _act(request, RoomKick)


async def ban_person(request: web.Request) -> web.Response:
    """Have somebody leave a room and stay away."""
    return await _act(request, RoomBan, AboutFor)


async def unban_person(request: web.Request) -> web.Response:
    """Let somebody come again who was banned from a room."""
    return await _act(request, RoomUnban)


async def list_bans(request: web.Request) -> web.Response:
    """Whom the room keeps out: host's and co-hosts' to see. Whom I do not see is there, too."""
    return answer(BanList(await _penalties(request, "room.bans")))


async def mute_person(request: web.Request) -> web.Response:
    """Have somebody say nothing in a room."""
    return await _act(request, RoomMute, AboutFor)


async def unmute_person(request: web.Request) -> web.Response:
    """Let somebody speak again who was muted in a room."""
    return await _act(request, RoomUnmute)


async def list_mutes(request: web.Request) -> web.Response:
    """Whom the room has say nothing: host's and co-hosts' to see, by who they are now. Whom I do not see is there, too."""
    return answer(MuteList(await _penalties(request, "room.mutes")))


async def give_role(request: web.Request) -> web.Response:
    """Make somebody a co-host, or the host, or neither any more: the host's."""
    return await _act(request, RoomRole, AboutRole)


async def _penalties(request: web.Request, action: str) -> list[PenaltyRow]:
    """Those that stand, asked of the room itself. Raises NotFound: it does not exist, or must look so."""
    services, address = request.app[SERVICES], room_address(request.match_info["room"])
    view = await services.router.view(address, authority_of(request), action)
    if not isinstance(view, RoomPenalties):
        raise InternalError("a room showed something else")
    now = services.clock.now()
    standing = [one for one in view.penalties if one.until is None or now < one.until]
    names = await services.login_sessions.names({one.person.actor_id for one in standing})
    return [PenaltyRow(*author_fields(one.person, names), one.until) for one in standing]


async def _act(request: web.Request, kind: type[ModerationCommand], body: type[About] = About) -> web.Response:
    """Have the room do what the body says, in the command's own names: whether the sender may, to that person, is the room's to say."""
    wanted, room = await read(request, body), request.match_info["room"]
    address, nonce = room_address(room), nonce_of(request)
    said = {**asdict(wanted), "person": await named(request, wanted.person)}
    command = kind(ref=1, room=room, nonce=nonce, **said)
    await request.app[SERVICES].router.ask(address, command, authority_of(request))
    return web.Response(status=204)


ERRORS = (NotFound, Forbidden, RoomBanned, Conflict, LimitExceeded)


def _acting(verb: str, handler: Handler, body: type[About] = About) -> Route:
    path, action = f"/v1/rooms/{{room}}/{verb}", f"room.{verb}"
    return Route("POST", path, action, handler, (ROOM, KEY), body=body, status=204, errors=ERRORS, limits=(ROOM_CHANGES, REQUESTS))


def _listing(what: str, handler: Handler, shape: type[Shape]) -> Route:
    path, action = f"/v1/rooms/{{room}}/{what}", f"room.{what}"
    return Route("GET", path, action, handler, (ROOM,), answer=shape, errors=(NotFound,), limits=(ROOM_READS, READS_BY_ADDRESS))


TABLE = (
    _acting("kick", kick_person),
    _acting("ban", ban_person, AboutFor),
    _acting("unban", unban_person),
    _listing("bans", list_bans, BanList),
    _acting("mute", mute_person, AboutFor),
    _acting("unmute", unmute_person),
    _listing("mutes", list_mutes, MuteList),
    _acting("role", give_role, AboutRole),
)
