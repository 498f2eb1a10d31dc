"""Guests prove being a person before they open a room (FEATURES P9)."""

from aiohttp import web

from commonroom.engine.address import Address
from commonroom.errors import NotFound
from commonroom.http.limit import count, refuse_foreseen
from commonroom.http.peer import machine_of
from commonroom.http.services import SERVICES
from commonroom.identity import Authority
from commonroom.limit.limit import CHALLENGES

__all__ = ["prove_person"]


async def prove_person(request: web.Request, authority: Authority, token: str, action: str, room: str) -> None:
    """Return if this guest may go on to open `room`. Users always may; so does everybody where nothing has to be proved.

    Who shows an Idempotency-Key of a room that is there asks again for what is done, and needs no proof: such a
    room's id comes from their own login session.

    The route's limits are asked afterwards. So with a challenge a request is two round trips of the limiter: what bounds
    the questions to the provider is taken before them, what bounds rooms once the token held.

    Raises:
        ChallengeFailed: the token is none, or does not hold.
        RateLimited: too many tries, or the route's limits are known to refuse.
        Unavailable: that cannot be found out now.
    """
    challenge = request.app[SERVICES].challenge
    if not challenge.is_on or authority.principal.actor_type != "guest":
        return
    is_keyed = "Idempotency-Key" in request.headers
    if token or is_keyed:  # else nobody is asked anything, and nothing counts
        await refuse_foreseen(request)
        await count(request, CHALLENGES)
    if is_keyed and await _is_open(request, authority, room):
        return
    await challenge.verify(token, machine_of(request), action, room)


async def _is_open(request: web.Request, authority: Authority, room: str) -> bool:
    try:
        await request.app[SERVICES].router.view(Address("room", room), authority, "room.read")
    except NotFound:
        return False
    return True
