"""People: /v1/users"""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from commonroom.account.name import folded, username_key
from commonroom.errors import Forbidden, Invalid, NotFound
from commonroom.http.auth import authority_of, user_of
from commonroom.http.body import Number, answer, positive
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import PublicProfile, UserCard, UserList
from commonroom.limit.limit import SEARCHES

__all__ = ["TABLE"]

FOUND = 20
MOST_FOUND = 50
MIN_QUERY = 2
"""Characters, without accents that stand alone: one letter finds nobody in particular, and its list would be an index of all."""

MAX_QUERY = 64


async def search(request: web.Request) -> web.Response:
    """People whose username or name begins with `q`, without case and accents. Who has no username is not found.

    First who has that username, then by username, then by name.
    """
    user_of(request)
    query = request.query.get("q", "").strip()
    name = folded(query)
    if len(query) > MAX_QUERY or len(name) < MIN_QUERY:
        raise Invalid(f"q has {MIN_QUERY} to {MAX_QUERY} characters", field="q")
    limit = positive(request, "limit", FOUND, MOST_FOUND) or FOUND
    found = await request.app[SERVICES].users.search(query.lower(), name, limit)
    return answer(UserList([UserCard(one.username, one.display_name, one.avatar) for one in found]))


async def read_profile(request: web.Request) -> web.Response:
    """Somebody's public profile."""
    authority_of(request)
    try:
        key = username_key(request.match_info["username"].lower())
    except Invalid:
        raise NotFound("no such user") from None
    user = await request.app[SERVICES].users.by_username(key)
    if user is None or user.username is None:
        raise NotFound("no such user")
    return answer(PublicProfile(user.username, user.display_name, user.avatar, user.status_text, user.created_at))


QUERY = (
    Parameter(
        "q", "query", Annotated[str, Meta(min_length=MIN_QUERY, max_length=MAX_QUERY)], "How their username or name begins.", needed=True
    ),
    Parameter("limit", "query", Number, f"Most people found; {FOUND} if left out, never more than {MOST_FOUND}."),
)
USERNAME = Parameter("username", "path", str, "Their username, in any case.")

TABLE = (
    Route("GET", "/v1/users/search", search, QUERY, answer=UserList, errors=(Forbidden,), limits=(SEARCHES,)),
    Route("GET", "/v1/users/{username}", read_profile, (USERNAME,), answer=PublicProfile, errors=(NotFound,)),
)
