"""The client for addresses that other people choose: webhooks, avatars, previews (RELIABILITY S1, S2).

A name is looked up here, every address it has is judged, and the request goes to a judged
address itself, the name left to the Host header and to TLS: whatever the name says a moment later is not asked
again. Built on httpx as the way to sign-in providers is: its `sni_hostname` has TLS verify the name while it connects to the address.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from socket import IPPROTO_TCP, SOCK_STREAM, getaddrinfo
from typing import Final, NamedTuple

import httpx

from commonroom.network import limit_key
from commonroom.outbound.address import PORTS, Address, Target, is_public, target_of, url_of
from commonroom.outbound.bounded import BoundedTransport, Bounds
from commonroom.outbound.error import AddressRefused, NoAnswer, NoConnection

__all__ = ["Answer", "GuardedClient", "Resolver"]

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> addresses, none if the name has none. May raise OSError."""

AT_ONCE_EACH: Final = 4
"""Answers of one machine waited for at once, so that a slow one leaves places for the others."""

CONNECT_S: Final = 3.0
MAX_TRIES: Final = 3
"""Addresses of a name that are tried, in the resolver's order, each for `CONNECT_S`."""

THREADS: Final = 8
"""Names looked up at once. Threads of its own: a look-up cannot be cancelled, and must not hold what others wait for."""

AGENT: Final = "Commonroom"
BOUNDS: Final = Bounds(at_once=64)
UNKEPT: Final = {"User-Agent": AGENT, "Connection": "close"}
"""The pool knows a connection by its address, and two names may share one: none is kept for a next request."""


class Answer(NamedTuple):
    """A whole answer, of whatever status. `url`: of the last hop."""

    status: int
    content_type: str
    body: bytes
    url: str


class GuardedClient:
    """Asks public web servers, and nobody else.

    Args:
        bounds: of one fetch, all its hops together.
        resolver: default the system's.
        ports: that may be asked.
        opened: addresses with ports that are asked although they are not public, or the port is none of `ports`; for tests.
    """

    def __init__(
        self,
        bounds: Bounds = BOUNDS,
        *,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        ports: AbstractSet[int] = PORTS,
        opened: AbstractSet[tuple[str, int]] = frozenset(),
    ) -> None:
        self._bounds = bounds
        self._transport = BoundedTransport(bounds, tls)
        self._threads = ThreadPoolExecutor(THREADS, "resolver")
        self._resolver = resolver or self._resolve
        self._ports = ports
        self._opened = opened
        self._places = _Places(AT_ONCE_EACH)

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes = b"", redirects: int = 0
    ) -> Answer:
        """One answer. Safe to cancel.

        Args:
            headers: as they are, but they go no further than to the first origin.
            redirects: most that are followed, each judged as `url` is; a GET's alone.

        Raises:
            AddressRefused: `url`, or where it was sent on to, may not be asked.
            NoAnswer, AnswerRefused: as `BoundedTransport` says; NoAnswer also for a name that has no address.
        """
        at, sent, left = url_of(url), dict(headers or {}), redirects if method == "GET" else 0
        try:
            async with asyncio.timeout(self._bounds.timeout_s):
                while True:
                    asked = httpx.Request(method, at, headers=sent | UNKEPT, content=content)
                    response = await self._ask(asked)
                    if left == 0 or not response.has_redirect_location:
                        return Answer(response.status_code, response.headers.get("Content-Type", ""), response.content, str(at))
                    onward = _onward(at, response.headers["Location"])
                    if _origin(onward) != _origin(at):
                        sent = {}
                    at, left = onward, left - 1
        except TimeoutError:
            raise NoAnswer(f"no whole answer of {at.host} within {self._bounds.timeout_s:g} s") from None

    async def close(self) -> None:
        """Wait for nothing; what is looked up ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._transport.close()

    async def _ask(self, asked: httpx.Request) -> httpx.Response:
        target = target_of(asked.url, self._ports | {port for _, port in self._opened})
        addresses = await self._judged(target)
        async with self._places.take(limit_key(str(addresses[0]))):
            *others, last = addresses[:MAX_TRIES]
            for address in others:
                try:
                    return await self._transport.handle_async_request(_towards(asked, target, address))
                except NoConnection:
                    continue  # nothing was sent
            return await self._transport.handle_async_request(_towards(asked, target, last))

    async def _judged(self, target: Target) -> Sequence[Address]:
        """All addresses of the target. One that is not public spoils the others: an honest name has none."""
        found = [target.address] if target.address is not None else await self._addresses(target)
        for address in found:
            is_open = (str(address), target.port) in self._opened
            if not is_open and (not is_public(address) or target.port not in self._ports):
                raise AddressRefused(f"{target.host} is {address}, port {target.port}")
        return found

    async def _addresses(self, target: Target) -> Sequence[Address]:
        try:
            found = [ip_address(text) for text in await self._resolver(target.host, target.port)]
        except (OSError, UnicodeError) as error:
            raise NoConnection(f"{type(error).__name__} looking up {target.host}") from None
        if not found:
            raise NoConnection(f"{target.host} has no address")
        return found

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        look_up = partial(getaddrinfo, host, port, type=SOCK_STREAM, proto=IPPROTO_TCP)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return list(dict.fromkeys(str(row[4][0]) for row in found))


class _Places:
    """So many at once of each key. What nobody has or waits for is forgotten."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._semaphores: dict[str, asyncio.Semaphore] = {}
        self._users = Counter[str]()

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        semaphore = self._semaphores.setdefault(key, asyncio.Semaphore(self._each))
        self._users[key] += 1
        try:
            async with semaphore:
                yield
        finally:
            self._users[key] -= 1
            if self._users[key] == 0:
                del self._users[key], self._semaphores[key]


def _towards(asked: httpx.Request, target: Target, address: Address) -> httpx.Request:
    """What is asked, of the address, under its name: the Host header is that of the URL as it was given."""
    extensions: dict[str, object] = {"timeout": {"connect": CONNECT_S}}
    if target.address is None:
        extensions["sni_hostname"] = target.host
    url = asked.url.copy_with(host=str(address))
    return httpx.Request(asked.method, url, headers=asked.headers, stream=asked.stream, extensions=extensions)


def _onward(at: httpx.URL, location: str) -> httpx.URL:
    try:
        return url_of(str(at.join(location)))
    except httpx.InvalidURL:
        raise AddressRefused("a redirect to no URL") from None


def _origin(url: httpx.URL) -> tuple[str, bytes]:
    return url.scheme, url.netloc
