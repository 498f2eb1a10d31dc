"""Message history: /v1/rooms/{room}/messages"""

from collections.abc import Mapping

from aiohttp import web

from commonroom.errors import NotFound
from commonroom.http.auth import authority_of
from commonroom.http.body import Number, answer, positive
from commonroom.http.hidden import hidden_from
from commonroom.http.route import Parameter, Route
from commonroom.http.routes.rooms import ROOM, view_of
from commonroom.http.services import SERVICES
from commonroom.http.shape import Author, MessagePage, MessageRow
from commonroom.identity import Principal
from commonroom.limit.limit import HISTORIES, READS_BY_ADDRESS
from commonroom.protocol.wire import MAX_INT
from commonroom.storage.repository.login_session import Known

__all__ = ["TABLE"]

PAGE = 50
LARGEST_PAGE = 100


async def list_messages(request: web.Request) -> web.Response:
    """The page of messages before `before` (default: the latest), with the authors' names of today.

    Those of people whom I block, or who block me, are left out.
    """
    services = request.app[SERVICES]
    before = positive(request, "before", None, MAX_INT)
    limit = positive(request, "limit", PAGE, LARGEST_PAGE) or PAGE
    room = request.match_info["room"]
    authority = authority_of(request)
    await view_of(request, authority, room, "message.list")
    hidden = {person.actor_id for person in await hidden_from(request)}
    messages, has_more = await services.messages.page(room, before, limit, authority.actors, hidden)
    names = await services.login_sessions.names({message.author.actor_id for message in messages})
    rows = [
        MessageRow(
            message.offset, message.at, _author(message.author, names),
            message.text, message.edited_at, message.deleted, message.nonce,
        )
        for message in messages
    ]  # fmt: skip
    return answer(MessagePage(rows, has_more, str(rows[0].id) if has_more else None))


def _author(author: Principal, names: Mapping[str, Known]) -> Author:
    known = names.get(author.actor_id)
    if known is None:
        return Author(author.actor_type, author.actor_id, "", None)
    return Author(author.actor_type, author.actor_id, known.name, known.user)


PAGING = (
    Parameter("before", "query", Number, "Only messages with a smaller id; the `nextCursor` of the page before."),
    Parameter("limit", "query", Number, f"Most messages of the page; {PAGE} if left out, never more than {LARGEST_PAGE}."),
)

TABLE = (
    Route(
        "GET", "/v1/rooms/{room}/messages", "message.list", list_messages, (ROOM, *PAGING), answer=MessagePage, errors=(NotFound,),
        limits=(HISTORIES, READS_BY_ADDRESS),
    ),
)  # fmt: skip
