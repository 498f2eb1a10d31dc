"""One whole answer to a request, bounded in time and size; no redirect followed, TLS verified.

An answer is read whole here; nothing of it but status, type, body and where it points gets further: no cookie.
Compression is not asked for, and refused, so that a small body never becomes a large one.
"""

import asyncio
import ssl
from typing import Final, NamedTuple

import httpx

from commonroom.outbound.error import AnswerRefused, NoAnswer, NoConnection

__all__ = ["BoundedTransport", "Bounds"]

MAX_HEAD_BYTES: Final = 16384
"""Names and values together. Before it is complete, h11 reads no more than 100 KiB of a head."""

KEPT: Final = ("Content-Type", "Location")


class Bounds(NamedTuple):
    """What one answer may cost. Defaults: RELIABILITY S2.

    Args:
        timeout_s: from asking, the wait for a place included, to the last byte.
        max_bytes: of a body.
        at_once: answers waited for at once, on this node.
        kept: connections kept for a next request.
    """

    timeout_s: float = 10.0
    max_bytes: int = 1 << 20
    at_once: int = 16
    kept: int = 16


class BoundedTransport(httpx.AsyncBaseTransport):
    """A transport for httpx clients. They may be closed; its connections stay until `close`.

    Args:
        tls: default the certificates of `SSL_CERT_FILE`, `SSL_CERT_DIR` or the package certifi.
    """

    def __init__(self, bounds: Bounds | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.bounds = bounds = bounds or Bounds()
        # Not the pool's own limit: it loses the connection of a request that is given up while it waits (tried, httpcore 1.0).
        self._places = asyncio.Semaphore(bounds.at_once)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=bounds.kept)
        self._transport = httpx.AsyncHTTPTransport(verify=tls or httpx.create_ssl_context(), trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask, and read the whole answer.

        Raises:
            NoAnswer: none in time, more than is read, or the connection broke.
            NoConnection: none was made; nothing was sent.
            AnswerRefused: compressed, or with too long a head.
        """
        host = request.headers.get("Host", request.url.host)
        request.headers["Accept-Encoding"] = "identity"
        try:
            async with asyncio.timeout(self.bounds.timeout_s), self._places:
                return await self._answer(request, host)
        except TimeoutError:
            raise NoAnswer(f"no whole answer of {host} within {self.bounds.timeout_s:g} s") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NoConnection(f"{type(error).__name__} at {host}") from None
        except (httpx.TransportError, OSError) as error:
            raise NoAnswer(f"{type(error).__name__} at {host}") from None

    async def aclose(self) -> None:
        """A client was closed: the connections are not its own."""

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _answer(self, request: httpx.Request, host: str) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        try:
            _check_head(response.headers, host)
            body = await self._body(response, host)
        finally:
            await response.aclose()
        kept = {name: response.headers[name] for name in KEPT if name in response.headers}
        return httpx.Response(response.status_code, headers=kept, content=body, request=request)

    async def _body(self, response: httpx.Response, host: str) -> bytes:
        most = self.bounds.max_bytes
        announced = response.headers.get("Content-Length", "0")  # h11 lets digits through alone
        body = bytearray()
        if int(announced) <= most:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > most:
                    break
            else:
                return bytes(body)
        raise NoAnswer(f"an answer of {host} over {most} bytes")


def _check_head(headers: httpx.Headers, host: str) -> None:
    if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEAD_BYTES:
        raise AnswerRefused(f"an answer of {host} with a head over {MAX_HEAD_BYTES} bytes")
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise AnswerRefused(f"an answer of {host} that cannot be read: it is compressed")
