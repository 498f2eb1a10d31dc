"""Pages by keyset: what comes meanwhile moves nothing."""

from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from aiohttp import web
from msgspec import Meta

from commonroom.errors import Invalid
from commonroom.http.body import Number
from commonroom.http.route import Parameter

__all__ = ["CURSOR", "LARGEST_PAGE", "LIMIT", "PAGE", "cursor_of", "cut"]

PAGE: Final = 20
LARGEST_PAGE: Final = 100
MAX_CURSOR: Final = 200

Row = TypeVar("Row")


def cursor_of(request: web.Request) -> str | None:
    """The cursor of the query string. Raises Invalid: it is none of ours."""
    cursor = request.query.get("cursor") or None
    if cursor is not None and (len(cursor) > MAX_CURSOR or not cursor.isprintable()):
        raise Invalid("cursor is not one of ours", field="cursor")
    return cursor


def cut(found: Sequence[Row], limit: int) -> tuple[list[Row], bool]:
    """A page of one row too many, and whether there are more."""
    return list(found[:limit]), len(found) > limit


LIMIT = Parameter("limit", "query", Number, f"Most of the page; {PAGE} if left out, never more than {LARGEST_PAGE}.")
CURSOR = Parameter("cursor", "query", Annotated[str, Meta(max_length=MAX_CURSOR)], "The `nextCursor` of the page before.")
