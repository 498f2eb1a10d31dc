"""Pages that are the same for everybody, kept for a moment: a listing may lag by a second (DESIGN 4)."""

from asyncio import CancelledError, Future, get_running_loop, shield
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from hashlib import blake2b
from typing import Final, NamedTuple, Self

from aiohttp import web

from commonroom.clock import monotonic_s

__all__ = ["Page", "PageCache"]

TTL_S: Final = 0.5
MAX_PAGES: Final = 256


class Page(NamedTuple):
    """A JSON body and its entity tag (RFC 9110 section 8.8.3)."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        """The page of that body."""
        return cls(body, blake2b(body, digest_size=12).hexdigest())

    def answer(self, request: web.Request) -> web.Response:
        """200, or 304 to whom has it."""
        headers = {"ETag": f'"{self.etag}"', "Cache-Control": "no-cache"}
        if "If-None-Match" in request.headers and any(tag.value == self.etag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.body, headers={**headers, "Content-Type": "application/json"})


class PageCache:
    """By key, at most 256, each made once at a time however many ask."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Hashable, tuple[float, Future[Page]]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> Page:
        """The page of that key, at most half a second old.

        Raises what `make` raises; that is not kept.
        """
        while (kept := self._pages.get(key)) is not None:
            made_s, page = kept
            if page.done() and monotonic_s() - made_s >= TTL_S:
                break
            try:
                return await shield(page)
            except CancelledError:
                if not page.cancelled():
                    raise  # it is we who were cancelled
        return await self._make(key, make)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> Page:
        made: Future[Page] = get_running_loop().create_future()
        self._pages[key] = monotonic_s(), made
        self._pages.move_to_end(key)
        if len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
        try:
            body = await make()
        except BaseException as error:
            self._forget(key, made)
            if isinstance(error, CancelledError):
                made.cancel()  # whoever waits makes it in our place
            else:
                made.set_exception(error)
                made.exception()  # told here, whether or not somebody else waits
            raise
        made.set_result(Page.of(body))
        return made.result()

    def _forget(self, key: Hashable, made: "Future[Page]") -> None:
        if (kept := self._pages.get(key)) is not None and kept[1] is made:
            del self._pages[key]
