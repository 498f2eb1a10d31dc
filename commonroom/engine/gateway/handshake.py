"""The opening handshake: one request head in, an accepted connection or a refusal out.

Rules beyond RFC 6455 section 4.2:

- `/v1/ws` and `/v1/ws/{room}` take no query: a token there would end up in logs (RELIABILITY W2).
- The room in the path says where the socket is best served, and nothing else: 404 where no room can be called so.
- `Origin` must be the request's own host over http or https, or one of an exact list. None
  at all is allowed: no browser omits it, and a cookie alone never authenticates a
  socket, the token of `hello` does (W1).
- A client must offer a subprotocol that is spoken here: one that names none would not
  know what to speak either, so it gets 400.
"""

import logging
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import unquote

from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from commonroom.engine.address import Address
from commonroom.engine.gateway.naming import address_of
from commonroom.errors import Invalid

__all__ = ["PATH", "QUIET", "Accepted", "Origins", "Refused", "refusal", "room_of", "shake"]

PATH: Final = "/v1/ws"

QUIET: Final = logging.getLogger("commonroom.websocket")
"""The library tells of every opening and closing at level INFO; we count them instead."""
QUIET.setLevel(logging.CRITICAL)


class Accepted(NamedTuple):
    """The 101 answer and the subprotocol chosen, None where none is spoken."""

    response: bytes
    subprotocol: str | None


class Refused(NamedTuple):
    """The answer to a handshake that fails."""

    response: bytes


class Origins:
    """Who may open a socket from a browser.

    Args:
        allowed: exact origins (`https://app.example`) besides the request's own host.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def admits(self, origin: str | None, host: str) -> bool:
        """Whether `origin` may connect to `host`; compared whole, never by part."""
        if origin is None or origin in self._allowed:
            return True
        host = host.lower()
        return bool(host) and origin in {f"http://{host}", f"https://{host}"}


def shake(head: bytes, origins: Origins, subprotocols: Sequence[str]) -> Accepted | Refused:
    """Answer the complete request head of a WebSocket handshake.

    Args:
        head: from the request line to the empty line, both included.
        subprotocols: those spoken here, the preferred one first; empty: none is asked for.
    """
    protocol = ServerProtocol(subprotocols=[Subprotocol(name) for name in subprotocols], logger=QUIET)
    protocol.receive_data(head)
    request = next(iter(protocol.events_received()), None)
    if not isinstance(request, Request):
        return Refused(b"".join(protocol.data_to_send()) or refusal(HTTPStatus.BAD_REQUEST))
    if (status := _forbidden(request, origins)) is not None:
        return Refused(refusal(status))
    response = protocol.accept(request)
    protocol.send_response(response)
    answer = b"".join(protocol.data_to_send())
    return Accepted(answer, protocol.subprotocol) if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS else Refused(answer)


def room_of(path: str) -> Address | None:
    """The room that a client has in mind, from the path of its handshake (`/v1/ws/{room}`, percent-encoded); None: it says none.

    Raises:
        Invalid: no room can be called so.
    """
    if not path.startswith(f"{PATH}/"):
        return None
    try:
        return address_of(unquote(path[len(PATH) + 1 :], errors="strict"))
    except UnicodeDecodeError:
        raise Invalid(f"path {path[:40]!r} is not UTF-8") from None


def _forbidden(request: Request, origins: Origins) -> HTTPStatus | None:
    headers = request.headers
    hosts, origin = headers.get_all("Host"), headers.get_all("Origin")
    if "?" in request.path or len(hosts) != 1 or len(origin) > 1:
        return HTTPStatus.BAD_REQUEST
    if not _can_be_served(request.path):
        return HTTPStatus.NOT_FOUND
    if not origins.admits(origin[0] if origin else None, hosts[0]):
        return HTTPStatus.FORBIDDEN
    return None


def _can_be_served(path: str) -> bool:
    try:
        room_of(path)
    except Invalid:
        return False
    return True


def refusal(status: HTTPStatus) -> bytes:
    """A whole minimal response that ends the connection."""
    body = f"{status.value} {status.phrase}\n"
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
