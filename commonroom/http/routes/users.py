"""People: /v1/users"""

import asyncio
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from commonroom.account.name import folded, username_key
from commonroom.engine.gateway.naming import user_address
from commonroom.engine.gateway.status import shown
from commonroom.errors import InternalError, Invalid, NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import Number, answer, positive
from commonroom.http.hidden import hidden_from
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import PublicProfile, UserCard, UserList
from commonroom.limit.limit import PROFILES, READS_BY_ADDRESS, SEARCHES, SEARCHES_BY_ADDRESS
from commonroom.protocol.status import UserStatus
from commonroom.protocol.user import UserState

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
    query = request.query.get("q", "").strip()
    name = folded(query)
    if len(query) > MAX_QUERY or len(name) < MIN_QUERY:
        raise Invalid(f"q has {MIN_QUERY} to {MAX_QUERY} characters", field="q")
    limit = positive(request, "limit", FOUND, MOST_FOUND) or FOUND
    found = await request.app[SERVICES].users.search(query.lower(), name, limit)
    return answer(UserList([UserCard(one.username, one.display_name, one.avatar) for one in found]))


async def read_profile(request: web.Request) -> web.Response:
    """Somebody's public profile, and their status as far as it may be known to me."""
    try:
        key = username_key(request.match_info["username"].lower())
    except Invalid:
        raise NotFound("no such user") from None
    user = await request.app[SERVICES].users.by_username(key)
    if user is None or user.username is None:
        raise NotFound("no such user")
    status = await status_of(request, user.id)
    return answer(
        PublicProfile(
            user.username, user.display_name, user.avatar, user.status_text, user.created_at, status.status, status.last_seen, status.room
        )
    )


async def status_of(request: web.Request, user: str) -> UserStatus:
    """A user's status as the sender may know it (FEATURES P20).

    Raises:
        Unavailable: a user's actor, or the database, does not answer.
    """
    services, reader = request.app[SERVICES], authority_of(request).principal
    state, own, facts, hidden = await asyncio.gather(
        _state_of(request, user),
        _state_of(request, reader.actor_id if reader.actor_type == "user" else None),
        services.preferences.facts((user,)),
        hidden_from(request),
    )
    here = frozenset(place.room for place in own.places) if own is not None else frozenset()
    return shown(user, state, facts.get(user), reader=reader, hidden=hidden, is_in=here.__contains__)


async def _state_of(request: web.Request, user: str | None) -> UserState | None:
    """As the user's actor has it; a guest has none."""
    if user is None:
        return None
    state = await request.app[SERVICES].router.view(user_address(user), authority_of(request), "user.read")
    if not isinstance(state, UserState):
        raise InternalError("a user showed something else")
    return state


QUERY = (
    Parameter(
        "q", "query", Annotated[str, Meta(min_length=MIN_QUERY, max_length=MAX_QUERY)], "How their username or name begins.", needed=True
    ),
    Parameter("limit", "query", Number, f"Most people found; {FOUND} if left out, never more than {MOST_FOUND}."),
)
USERNAME = Parameter("username", "path", str, "Their username, in any case.")

TABLE = (
    Route("GET", "/v1/users/search", "user.search", search, QUERY, answer=UserList, limits=(SEARCHES, SEARCHES_BY_ADDRESS)),
    Route(
        "GET",
        "/v1/users/{username}",
        "user.read",
        read_profile,
        (USERNAME,),
        answer=PublicProfile,
        errors=(NotFound,),
        limits=(PROFILES, READS_BY_ADDRESS),
    ),
)
