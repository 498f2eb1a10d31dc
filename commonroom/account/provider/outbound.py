"""The way to the providers: every answer bounded in size and time, no redirect followed, TLS verified.

Whatever asks goes through one transport, Authlib's client too, so that no caller can
forget a bound. An answer is read whole here; nothing of it but status, type and body gets further:
no cookie, and no word of a compression, so that a small body never becomes a large one.
"""

import asyncio
import ssl
from typing import Final, TypeVar

import httpx
import msgspec

from commonroom.account.provider.error import ProviderRefused, ProviderSilent

__all__ = ["AT_ONCE", "MAX_BYTES", "TIMEOUT_S", "Outbound", "check_awake", "decoded"]

MAX_BYTES: Final = 1 << 20
TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 16
"""Answers waited for at once, on this node, of all providers together."""

TOO_MANY: Final = 429

T = TypeVar("T")


class Outbound(httpx.AsyncBaseTransport):
    """A transport for httpx clients. They may be closed; its connections stay until `close`.

    Args:
        timeout_s: from asking, the wait for one of `at_once` places included, to the last byte.
        tls: default the certificates of `SSL_CERT_FILE`, `SSL_CERT_DIR` or the package certifi.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, at_once: int = AT_ONCE, tls: ssl.SSLContext | None = None) -> None:
        self._timeout_s = timeout_s
        # Not the pool's own limit: it loses the connection of a request that is given up while it waits (tried, httpcore 1.0).
        self._places = asyncio.Semaphore(at_once)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=at_once)
        self._transport = httpx.AsyncHTTPTransport(verify=tls or httpx.create_ssl_context(), trust_env=False, limits=limits)
        self._client = httpx.AsyncClient(transport=self, timeout=None, trust_env=False)  # noqa: S113 - the transport has one

    async def get(self, url: str, kind: type[T], bearer: str = "") -> T:
        """The JSON at `url` as `kind`.

        Raises:
            ProviderSilent: no whole answer in time, or a server's error.
            ProviderRefused: any other status than 200, or another form.
        """
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        response = await self._client.get(url, headers=headers)
        check_awake(response)
        if response.status_code != httpx.codes.OK:
            raise ProviderRefused(f"status {response.status_code} of {_place(response)}")
        return decoded(response, kind)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask, and read the whole answer. Raises ProviderSilent, ProviderRefused."""
        request.headers["Accept-Encoding"] = "identity"
        try:
            async with asyncio.timeout(self._timeout_s), self._places:
                return await self._answer(request)
        except TimeoutError:
            raise ProviderSilent(f"no whole answer of {request.url.host} within {self._timeout_s:g} s") from None
        except (httpx.TransportError, OSError) as error:
            raise ProviderSilent(f"{type(error).__name__} at {request.url.host}") from None

    async def aclose(self) -> None:
        """A client was closed: the connections are not its own."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._transport.aclose()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        try:
            if response.is_redirect:
                raise ProviderRefused(f"a redirect of {request.url.host}")
            body = await _body(response, request.url.host)
        finally:
            await response.aclose()
        kept = {"Content-Type": response.headers.get("Content-Type", "")}
        return httpx.Response(response.status_code, headers=kept, content=body, request=request)


async def _body(response: httpx.Response, host: str) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ProviderSilent(f"an answer of {host} over {MAX_BYTES} bytes")
    return bytes(body)


def check_awake(response: httpx.Response) -> None:
    """Raises ProviderSilent: the server says that it cannot answer now."""
    if response.is_server_error or response.status_code == TOO_MANY:
        raise ProviderSilent(f"status {response.status_code} of {_place(response)}")


def decoded(response: httpx.Response, kind: type[T]) -> T:
    """The body, JSON, as `kind`. Raises ProviderRefused."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ProviderRefused(f"an answer of {_place(response)} that cannot be read") from None


def _place(response: httpx.Response) -> str:
    """Host and path: a query could hold a secret."""
    url = response.request.url
    return f"{url.host}{url.path}"[:200]
