"""The page and the client: files read once at start, served from memory.

`/assets/<hash>/<name>` never changes and is cached for ever; the hash is over all files,
so the page's relative imports stay within one build. `index.html` names it as `@`.
"""

import gzip
import mimetypes
from hashlib import sha256
from importlib import resources
from typing import NamedTuple, Self

from aiohttp import hdrs, web

from commonroom.errors import ConfigError
from commonroom.http.policy import content_policy

__all__ = ["ASSETS", "Assets"]

FOR_EVER = "public, max-age=31536000, immutable"
FRESH = "no-cache"
PAGE = "index.html"
DOCS = "docs.html"
PAGES = ("/", "/rooms", "/r/{room}", "/login", "/login/link", "/setup-username", "/admin")
NO_PAGES = ("/v1", "/assets")
"""Where programs ask: below them an unknown address is a problem, whatever the request takes."""

ROOT_FILES = ("client.js", "client.iife.js")
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")
SMALLEST_COMPRESSED = 512
TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".css": "text/css", ".html": "text/html"}


class Asset(NamedTuple):
    """A file's bytes, plain and compressed (empty: not worth it)."""

    data: bytes
    packed: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, name: str, data: bytes) -> Self:
        suffix = f".{name.rpartition('.')[2]}"
        kind = TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        pack = kind.startswith(COMPRESSIBLE) and len(data) >= SMALLEST_COMPRESSED
        return cls(data, gzip.compress(data, mtime=0) if pack else b"", kind, f'"{sha256(data).hexdigest()[:16]}"')


class Assets:
    """Every built file.

    Args:
        widget_origin: whose script and frames the page may show besides its own; empty: nobody's.

    Raises:
        ConfigError: the installation has no page.
    """

    def __init__(self, widget_origin: str = "") -> None:
        self._policy = {"Content-Security-Policy": content_policy(widget_origin)} if widget_origin else {}
        folder = resources.files("commonroom.http") / "static"
        files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if "." in entry.name}
        if not {PAGE, DOCS} <= files.keys():
            raise ConfigError("the installation is incomplete: it has no page")
        everything = b"".join(name.encode() + data for name, data in sorted(files.items()))
        self.version = sha256(everything).hexdigest()[:12]
        for page in (PAGE, DOCS):
            files[page] = files[page].replace(b"/assets/@/", f"/assets/{self.version}/".encode())
        self._files = {name: Asset.of(name, data) for name, data in files.items()}

    def add_routes(self, router: web.UrlDispatcher, *, with_docs: bool) -> None:
        """The page's addresses, the hashed files, the client; /docs only if wanted."""
        for path in PAGES:
            router.add_get(path, self.page)
            if path != "/":
                router.add_get(f"{path}/", self.slashed)
        for name in ROOT_FILES:
            router.add_get(f"/{name}", self.root_file)
        router.add_get("/assets/{version}/{name}", self.asset)
        if with_docs:
            router.add_get("/docs", self.docs)

    async def page(self, request: web.Request) -> web.Response:
        """The one page; what it shows follows from its address."""
        response = _respond(request, self._files[PAGE], FRESH)
        response.headers.update(self._policy)
        return response

    async def slashed(self, request: web.Request) -> web.Response:
        """A page's address with a slash too many leads to the page's own, with what is asked of it."""
        address = request.rel_url.raw_path.rstrip("/")
        asked = request.rel_url.raw_query_string
        return web.Response(status=308, headers={hdrs.LOCATION: f"{address}?{asked}" if asked else address})

    def astray(self, request: web.Request) -> web.Response | None:
        """The page, which says that there is nothing, for a person at an address that nobody has; None: no person asks."""
        is_apart = any(f"{request.path}/".startswith(f"{path}/") for path in NO_PAGES)
        takes_page = "text/html" in request.headers.get(hdrs.ACCEPT, "")
        if request.match_info.route.resource is not None or request.method not in ("GET", "HEAD") or is_apart or not takes_page:
            return None
        response = _respond(request, self._files[PAGE], FRESH, status=404)
        response.headers.update(self._policy, Vary=f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}")
        return response

    async def docs(self, request: web.Request) -> web.Response:
        """The page that shows /openapi.json."""
        return _respond(request, self._files[DOCS], FRESH)

    async def root_file(self, request: web.Request) -> web.Response:
        """The client under a stable name."""
        return _respond(request, self._files[request.path.removeprefix("/")], FRESH)

    async def asset(self, request: web.Request) -> web.Response:
        """A file of this build; one of another build is gone."""
        file = self._files.get(request.match_info["name"])
        if file is None or request.match_info["version"] != self.version:
            raise web.HTTPNotFound
        return _respond(request, file, FOR_EVER)


def _respond(request: web.Request, file: Asset, caching: str, status: int = 200) -> web.Response:
    headers = {hdrs.CACHE_CONTROL: caching, hdrs.ETAG: file.etag, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if status == 200 and request.headers.get(hdrs.IF_NONE_MATCH) == file.etag:
        return web.Response(status=304, headers=headers)
    data = file.data
    if file.packed and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        data = file.packed
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    charset = "utf-8" if file.content_type.startswith("text/") else None
    return web.Response(status=status, body=data, headers=headers, content_type=file.content_type, charset=charset)


ASSETS: web.AppKey[Assets] = web.AppKey("assets", Assets)
