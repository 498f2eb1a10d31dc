"""Invites to a room: /v1/rooms/{room}/invites, /v1/invites/{code} (FEATURES P17, M8)"""

from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta

from commonroom.errors import Conflict, Forbidden, InternalError, LimitExceeded, NotFound, RoomBanned, RoomLocked
from commonroom.http.auth import authority_of
from commonroom.http.body import Body, answer, read_or
from commonroom.http.hidden import hidden_from
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.rooms import KEY, ROOM, ROOM_ID, nonce_of, room_address, shown
from commonroom.http.services import SERVICES
from commonroom.http.shape import PrincipalShape, RoomDetail, Shape, principal_shape
from commonroom.ids import invite_digest
from commonroom.limit.limit import INVITE_CODES, REQUESTS, ROOM_CHANGES
from commonroom.protocol.invite import (
    Invite,
    InviteAccept,
    InviteCode,
    InviteCreate,
    InviteList,
    InviteListing,
    InviteRevoke,
    Lifetime,
    Uses,
)

__all__ = ["TABLE"]

MAX_CODE: Final = 32
NO_INVITE: Final = "this invite does not exist, or is over"


class NewInvite(Body, frozen=True):
    """An invite to make. Null: it does not expire; it may be used by any number."""

    expires_in_ms: Lifetime | None = None
    uses: Uses | None = None


class InviteMade(Shape, frozen=True):
    """A new invite with its code, which is told this once; `url` is the page that it opens."""

    id: str
    code: str
    url: str
    expires_at: int | None
    uses: int | None


class InviteShape(Shape, frozen=True):
    """An invite as it stands; `used` counts those whom it brought. `created_by` null: somebody whom I do not see."""

    id: str
    created_at: int
    created_by: PrincipalShape | None
    expires_at: int | None
    uses: int | None
    used: int


class InviteShapes(Shape, frozen=True):
    """Those that were not revoked, the oldest first; some may be over."""

    invites: list[InviteShape]


async def create_invite(request: web.Request) -> web.Response:
    """Make an invite: host's and co-hosts'. Its code is not told again; a repeat under the same Idempotency-Key is answered CONFLICT."""
    wanted, room = await read_or(request, NewInvite()), request.match_info["room"]
    command = InviteCreate(1, room, nonce_of(request), wanted.expires_in_ms, wanted.uses)
    made = await request.app[SERVICES].router.ask(room_address(room), command, authority_of(request))
    if not isinstance(made, InviteCode):
        raise Conflict("this invite was made already: its code was told once")
    return answer(InviteMade(made.invite, made.code, f"/r/{room}?invite={made.code}", made.expires_at, made.uses), status=201)


async def list_invites(request: web.Request) -> web.Response:
    """The invites of a room, without their codes: host's and co-hosts'."""
    room, hidden = request.match_info["room"], await hidden_from(request)
    listing = await request.app[SERVICES].router.ask(room_address(room), InviteList(1, room), authority_of(request))
    if not isinstance(listing, InviteListing):
        raise InternalError("a room answered something else")
    return answer(InviteShapes([_invite(invite) for invite in listing.without(hidden).invites]))


async def revoke_invite(request: web.Request) -> web.Response:
    """Make an invite worthless: host's and co-hosts'. Those it brought stay."""
    room = request.match_info["room"]
    command = InviteRevoke(1, room, nonce_of(request), request.match_info["invite"])
    await request.app[SERVICES].router.ask(room_address(room), command, authority_of(request))
    return web.Response(status=204)


async def accept_invite(request: web.Request) -> web.Response:
    """Become a member of the room whose invite this is; whoever is one already is not counted again.

    A code that does not exist, was revoked, has expired or is used up is answered alike. Without the room's id, a code is
    known a second after it was made.
    """
    services, code = request.app[SERVICES], request.match_info["code"]
    room = request.query.get("room") or await services.memberships.room_of(invite_digest(code))
    if room is None or ROOM_ID.fullmatch(room) is None:
        raise NotFound(NO_INVITE)
    if len(code) > MAX_CODE:
        raise NotFound(NO_INVITE)
    try:
        await services.router.ask(room_address(room), InviteAccept(1, room, nonce_of(request), code), authority_of(request))
    except NotFound as error:
        error.message = NO_INVITE  # the same whether there is such a room or not
        raise
    return await shown(request, room)


def _invite(invite: Invite) -> InviteShape:
    author = None if invite.author is None else principal_shape(invite.author)
    return InviteShape(invite.invite, invite.at, author, invite.expires_at, invite.uses, invite.used)


INVITE = Parameter("invite", "path", Annotated[str, Meta(pattern="^[0-9a-z]{1,32}$")], "The invite's id, which is not its code.")
CODE = Parameter(
    "code", "path", Annotated[str, Meta(min_length=1, max_length=MAX_CODE)], "As it was typed: case, spaces and hyphens do not matter."
)
WHERE = Parameter("room", "query", Annotated[str, Meta(pattern=ROOM_ID.pattern)], "The room's id, where it is known.")

TABLE = (
    Route(
        "POST", "/v1/rooms/{room}/invites", "invite.create", create_invite, (ROOM, KEY), body=NewInvite, body_needed=False,
        answer=InviteMade, status=201, errors=(NotFound, Forbidden, RoomBanned, Conflict, LimitExceeded), limits=(ROOM_CHANGES, REQUESTS),
    ),
    Route(
        "GET", "/v1/rooms/{room}/invites", "invite.list", list_invites, (ROOM,), answer=InviteShapes,
        errors=(NotFound, Forbidden, RoomBanned, Conflict), limits=(ROOM_CHANGES, REQUESTS),
    ),
    Route(
        "DELETE", "/v1/rooms/{room}/invites/{invite}", "invite.revoke", revoke_invite, (ROOM, INVITE, KEY), status=204,
        errors=(NotFound, Forbidden, RoomBanned, Conflict), limits=(ROOM_CHANGES, REQUESTS),
    ),
    Route(
        "POST", "/v1/invites/{code}", "invite.accept", accept_invite, (CODE, WHERE, KEY), answer=RoomDetail,
        errors=(NotFound, RoomBanned, RoomLocked, LimitExceeded), limits=INVITE_CODES,
    ),
)  # fmt: skip
