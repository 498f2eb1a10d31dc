"""Rooms that a user comes back to: where they were lately, and those they keep. /v1/rooms/recent, /v1/rooms/favourites"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta

from commonroom.errors import Forbidden, LimitExceeded, NotFound, Unavailable
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, read
from commonroom.http.route import Route
from commonroom.http.routes.rooms import ROOM, ROOM_ID, view_of
from commonroom.http.services import SERVICES
from commonroom.http.shape import RoomCard, Shape, room_card
from commonroom.limit.limit import OWN_ROOMS
from commonroom.protocol.room import RoomInfo
from commonroom.protocol.wire import Millis
from commonroom.storage.repository.favourite import Favourite
from commonroom.storage.repository.visit import KEPT_MS, MAX_VISITS, Visit

__all__ = ["TABLE"]

AT_ONCE: Final = 8
"""Private rooms that a request asks at a time."""


class RecentRoom(Shape, frozen=True):
    """A room, and when I last came into it."""

    room: RoomCard
    visited_at: int


class RecentRooms(Shape, frozen=True):
    """Where I was within 24 hours, the latest first, at most 50."""

    rooms: list[RecentRoom]


class FavouriteRoom(Shape, frozen=True):
    """A room that I keep. `room` null: it is archived, does not let me in or does not answer; I may still let go of it by its id."""

    id: str
    added_at: int
    room: RoomCard | None


class FavouriteRooms(Shape, frozen=True):
    """All of them, the latest added first."""

    rooms: list[FavouriteRoom]


class KeptVisit(Body, frozen=True):
    """A room, and when somebody came into it, cluster ms."""

    id: Annotated[str, Meta(pattern=ROOM_ID.pattern)]
    at: Millis


class KeptVisits(Body, frozen=True):
    """What a client kept of its own."""

    rooms: Annotated[list[KeptVisit], Meta(max_length=MAX_VISITS)]


async def recent_rooms(request: web.Request) -> web.Response:
    """Where I was within 24 hours, two seconds old at most. Archived rooms and those that do not let me in are left out."""
    authority, services = authority_of(request), request.app[SERVICES]
    rooms = await services.visits.recent(authority.principal.actor_id, authority.actors, services.clock.now())
    let_in = await _let_in(request, {known.room: known.info for known in rooms})
    return answer(RecentRooms([RecentRoom(room_card(one.room, one.info), one.at) for one in rooms if one.room in let_in]))


async def merge_recent_rooms(request: web.Request) -> web.Response:
    """Add what my client kept while I was a guest. Of a room the latest visit counts; what I may not see counts as nothing.

    A client forgets what it gave, so a room that does not answer now is taken; whether it is shown, it is asked each time.
    """
    authority, services = authority_of(request), request.app[SERVICES]
    wanted, now = await read(request, KeptVisits), services.clock.now()
    visited: dict[str, int] = {}
    for one in wanted.rooms:
        if one.at > now - KEPT_MS:
            visited[one.id] = max(visited.get(one.id, 0), min(one.at, now))
    let_in = await _let_in(request, await services.visits.known(list(visited), authority.actors, now), in_doubt=True)
    user = authority.principal.actor_id
    await services.visits.write([Visit(user, room, visited[room]) for room in visited if room in let_in], again_ms=1)
    return web.Response(status=204)


async def favourite_rooms(request: web.Request) -> web.Response:
    """The rooms that I keep."""
    authority, services = authority_of(request), request.app[SERVICES]
    kept = await services.favourites.list(authority.principal.actor_id, authority.actors, services.clock.now())
    let_in = await _let_in(request, {one.room: one.info for one in kept if one.info is not None})
    return answer(FavouriteRooms([_favourite(one, let_in) for one in kept]))


async def add_favourite(request: web.Request) -> web.Response:
    """Keep a room, one of 100 at most. Again is no error."""
    authority, services, room = authority_of(request), request.app[SERVICES], request.match_info["room"]
    await view_of(request, authority, room, "favourite.add")
    await services.favourites.add(authority.principal.actor_id, room, services.clock.now())
    return web.Response(status=204)


async def remove_favourite(request: web.Request) -> web.Response:
    """Keep a room no longer."""
    if not await request.app[SERVICES].favourites.remove(authority_of(request).principal.actor_id, request.match_info["room"]):
        raise NotFound("this room is none of your favourites")
    return web.Response(status=204)


def _favourite(kept: Favourite, let_in: set[str]) -> FavouriteRoom:
    card = room_card(kept.room, kept.info) if kept.info is not None and kept.room in let_in else None
    return FavouriteRoom(kept.room, kept.at, card)


async def _let_in(request: web.Request, rooms: Mapping[str, RoomInfo], *, in_doubt: bool = False) -> set[str]:
    """Those of the rooms that may be shown to the sender: private ones are asked, for nobody else knows whom they let in.

    Args:
        in_doubt: whether one that does not answer is among them.
    """
    private = [room for room, info in rooms.items() if info.visibility == "private"]
    turns = asyncio.Semaphore(AT_ONCE)
    answers = await asyncio.gather(*(_lets_in(request, room, turns, in_doubt) for room in private))
    return {room for room, info in rooms.items() if info.visibility != "private"}.union(
        room for room, lets_in in zip(private, answers, strict=True) if lets_in
    )


async def _lets_in(request: web.Request, room: str, turns: asyncio.Semaphore, in_doubt: bool) -> bool:
    async with turns:
        try:
            await view_of(request, authority_of(request), room)
        except (NotFound, Forbidden):
            return False
        except Unavailable:
            return in_doubt
        return True


TABLE = (
    Route("GET", "/v1/rooms/recent", "visit.list", recent_rooms, answer=RecentRooms, limits=(OWN_ROOMS,)),
    Route("PUT", "/v1/rooms/recent", "visit.merge", merge_recent_rooms, body=KeptVisits, status=204, limits=(OWN_ROOMS,)),
    Route("GET", "/v1/rooms/favourites", "favourite.list", favourite_rooms, answer=FavouriteRooms, limits=(OWN_ROOMS,)),
    Route(
        "PUT", "/v1/rooms/{room}/favourite", "favourite.add", add_favourite, (ROOM,), status=204,
        errors=(NotFound, LimitExceeded), limits=(OWN_ROOMS,),
    ),
    Route(
        "DELETE", "/v1/rooms/{room}/favourite", "favourite.remove", remove_favourite, (ROOM,), status=204,
        errors=(NotFound,), limits=(OWN_ROOMS,),
    ),
)  # fmt: skip
