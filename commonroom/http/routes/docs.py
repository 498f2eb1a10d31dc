"""What this server answers, for people and tools: /openapi.json. In production only where `http.docs` says so."""

from typing import Any

from aiohttp import web

from commonroom.http.page_cache import Page
from commonroom.http.route import Route

__all__ = ["DOCUMENT", "TABLE"]

DOCUMENT = web.AppKey("openapi", Page)
"""Made once, when the application is."""


async def read_openapi(request: web.Request) -> web.Response:
    """This document."""
    return request.app[DOCUMENT].answer(request)


TABLE = (Route("GET", "/openapi.json", "docs.read", read_openapi, answer=dict[str, Any], also={304: None}, signed_in=False, limits=()),)
