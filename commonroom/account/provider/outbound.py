"""The way to the providers: every answer bounded in size and time, no redirect followed, TLS verified.

Whatever asks goes through one transport, Authlib's client too, so that no caller can
forget a bound. Who is asked the operator decides, so that a private address is as good as any.
"""

import ssl
from typing import Final, TypeVar

import httpx
import msgspec

from commonroom.account.provider.error import ProviderRefused, ProviderSilent
from commonroom.outbound import AnswerRefused, BoundedTransport, Bounds, NoAnswer

__all__ = ["AT_ONCE", "MAX_BYTES", "TIMEOUT_S", "Outbound", "check_awake", "decoded"]

MAX_BYTES: Final = 1 << 20
TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 16
"""Answers waited for at once, on this node, of all providers together."""

TOO_MANY: Final = 429

T = TypeVar("T")


class Outbound(BoundedTransport):
    """A transport whose failures are those of a sign-in.

    Args:
        timeout_s: from asking, the wait for one of `at_once` places included, to the last byte.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, at_once: int = AT_ONCE, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(Bounds(timeout_s, MAX_BYTES, at_once, kept=at_once), tls)
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
        try:
            response = await super().handle_async_request(request)
        except NoAnswer as error:
            raise ProviderSilent(error.reason) from None
        except AnswerRefused as error:
            raise ProviderRefused(error.reason) from None
        if response.is_redirect:
            raise ProviderRefused(f"a redirect of {request.url.host}")
        return response

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await super().close()


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
