"""The public list of rooms: GET /v1/rooms (FEATURES P17, P18)"""

import re
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from commonroom.errors import Invalid
from commonroom.http.body import Number, chosen, positive
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import RoomListing, RoomPage, card_fields
from commonroom.limit.limit import ROOM_LISTS
from commonroom.protocol.room import Language, Tag
from commonroom.search import words_of
from commonroom.storage.repository.room_list import ListSize, ListSort, ListStatus, RoomOfList, Wanted

__all__ = ["TABLE"]

PAGE: Final = 20
LARGEST_PAGE: Final = 100
MAX_CURSOR: Final = 200
MAX_QUERY: Final = 64
MAX_WORDS: Final = 8
MAX_TAG: Final = 24
LANGUAGE: Final = re.compile("[a-z]{2,8}(-[A-Za-z0-9]{2,8})?")


async def list_rooms(request: web.Request) -> web.Response:
    """Public rooms, the most active first or the newest first, half a second old at most. Open to everybody.

    While somebody walks the pages no room that is there all along is left out or shown twice, whatever others do; in a walk
    of more than 10 minutes by activity one that was active twice meanwhile may be left out. The order by activity may lag by
    15 seconds. `q` finds rooms that have each of its words, or words that begin so, in title, topic or tags, without regard
    to case and accents.
    """
    page = await request.app[SERVICES].pages.get(request.raw_path, lambda: _page(request))
    return page.answer(request)


async def _page(request: web.Request) -> bytes:
    services = request.app[SERVICES]
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    cursor = request.query.get("cursor") or None
    if cursor is not None and len(cursor) > MAX_CURSOR:
        raise Invalid("cursor is not one of ours", field="cursor")
    rooms, next_cursor = await services.room_list.page(_wanted(request), cursor, limit, services.clock.now())
    return msgspec.json.encode(RoomPage([_listing(one) for one in rooms], next_cursor))


def _wanted(request: web.Request) -> Wanted:
    """Raises Invalid."""
    language = _short(request, "language", 17)
    if language is not None and LANGUAGE.fullmatch(language) is None:
        raise Invalid("language is a tag like pt or pt-BR", field="language")
    tag, query = _short(request, "tag", MAX_TAG), _short(request, "q", MAX_QUERY)
    return Wanted(
        sort=chosen(request, "sort", SORTS) or "activity",
        language=language,
        tag=None if tag is None else tag.lower(),
        size=chosen(request, "size", SIZES),
        status=chosen(request, "status", STATUSES),
        words=None if query is None else tuple(words_of(query)[:MAX_WORDS]),
    )


def _short(request: web.Request, name: str, most: int) -> str | None:
    text = request.query.get(name, "").strip()
    if len(text) > most or not text.isprintable():
        raise Invalid(f"{name} has up to {most} characters", field=name)
    return text or None


def _listing(one: RoomOfList) -> RoomListing:
    return RoomListing(*(*card_fields(one.room, one.info), one.present, one.phase, one.ends_at, one.active_at, one.status))


SORTS: Final[tuple[ListSort, ...]] = ("activity", "newest")
SIZES: Final[tuple[ListSize, ...]] = ("small", "medium", "large")
STATUSES: Final[tuple[ListStatus, ...]] = ("active", "idle")

PARAMETERS = (
    Parameter("language", "query", Language, "Only rooms of this language; `pt` means `pt-BR`, too."),
    Parameter("tag", "query", Tag, "Only rooms that have this tag."),
    Parameter("size", "query", ListSize, "Only rooms where so many are: small is up to 5, medium up to 20, large is more."),
    Parameter("status", "query", ListStatus, "active: a timer runs, or somebody is there and something happened within 10 minutes."),
    Parameter("q", "query", Annotated[str, Meta(max_length=MAX_QUERY)], "Only rooms that have words which begin so."),
    Parameter("sort", "query", ListSort, "The order; `activity` if left out."),
    Parameter("limit", "query", Number, f"Most rooms of the page; {PAGE} if left out, never more than {LARGEST_PAGE}."),
    Parameter("cursor", "query", Annotated[str, Meta(max_length=MAX_CURSOR)], "The `nextCursor` of the page before, of the same order."),
)

TABLE = (
    Route(
        "GET", "/v1/rooms", "room.list", list_rooms, PARAMETERS, answer=RoomPage, also={304: None}, signed_in=False, limits=(ROOM_LISTS,),
    ),
)  # fmt: skip
