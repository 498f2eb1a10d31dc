"""Whom one does not want to meet: /v1/blocks"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from commonroom.engine.gateway.hidden import key_of
from commonroom.errors import Invalid, LimitExceeded, NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import answer
from commonroom.http.route import Parameter, Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import Block, BlockList
from commonroom.http.who import MAX_WHO, NOBODY, principal_of
from commonroom.identity import Principal
from commonroom.limit.limit import BLOCKS
from commonroom.storage.repository.block import Blocked

__all__ = ["TABLE", "block_shape"]


async def list_blocks(request: web.Request) -> web.Response:
    """Whom I block, the latest first."""
    blocked = await request.app[SERVICES].blocks.list(authority_of(request).principal.actor_id)
    return answer(BlockList([block_shape(one) for one in blocked]))


async def add_block(request: web.Request) -> web.Response:
    """Block somebody: within two seconds we do not see each other in rooms any more, wherever we are. They are not told.

    A block is of a person: of a user with the guests that it was, and of a guest with the user that it becomes.
    """
    services, me = request.app[SERVICES], authority_of(request).principal
    person = await principal_of(request, request.match_info["who"])
    if person == me:
        raise Invalid("nobody blocks themselves", field="who")
    async with _changing(request, person):
        await services.blocks.add(me.actor_id, person, services.clock.now())
    return web.Response(status=204)


async def remove_block(request: web.Request) -> web.Response:
    """Block somebody no longer, whichever of their names is given. Nothing that was hidden is sent; it is in the history."""
    services, me, who = request.app[SERVICES], authority_of(request).principal, request.match_info["who"]
    try:
        person, is_gone = await principal_of(request, who), False
    except NotFound:
        kind, colon, ident = who.partition(":")
        if not colon:
            raise
        person, is_gone = Principal("user" if kind == "user" else "guest", ident), True  # perhaps still in the list
    async with _changing(request, person):
        removed = await services.blocks.remove(me.actor_id, person)
    if is_gone and not removed:
        raise NotFound(NOBODY)
    return web.Response(status=204)


@asynccontextmanager
async def _changing(request: web.Request, person: Principal) -> AsyncIterator[None]:
    """Around a change between the sender and somebody: all nodes look at the table again, also where the outcome is unknown."""
    services = request.app[SERVICES]
    names = await services.blocks.names(authority_of(request).principal, person)
    try:
        yield
    finally:
        services.notices.tell("block", [key_of(name) for name in names])


def block_shape(blocked: Blocked) -> Block:
    """As it is shown."""
    principal = blocked.principal
    return Block(principal.actor_type, principal.actor_id, blocked.name, blocked.username, blocked.at)


WHO = Parameter("who", "path", Annotated[str, Meta(max_length=MAX_WHO)], "Their username, or `user:` or `guest:` with their id.")

TABLE = (
    Route("GET", "/v1/blocks", "block.list", list_blocks, answer=BlockList, limits=(BLOCKS,)),
    Route(
        "PUT", "/v1/blocks/{who}", "block.change", add_block, (WHO,), status=204,
        errors=(NotFound, Invalid, LimitExceeded), limits=(BLOCKS,),
    ),
    Route("DELETE", "/v1/blocks/{who}", "block.change", remove_block, (WHO,), status=204, errors=(NotFound, Invalid), limits=(BLOCKS,)),
)  # fmt: skip
