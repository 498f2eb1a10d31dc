"""Health: /healthz (the process lives), /readyz (it can serve). No versions, no addresses."""

from aiohttp import web

from commonroom.http.body import answer
from commonroom.http.services import SERVICES

__all__ = ["TABLE"]


async def healthz(_request: web.Request) -> web.Response:
    """The process lives and its loop turns."""
    return answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when requests can be served, else 503 with the reasons."""
    reasons = await request.app[SERVICES].unready()
    return answer({"status": "unready" if reasons else "ok", "reasons": reasons}, status=503 if reasons else 200)


TABLE = (("GET", "/healthz", healthz), ("GET", "/health", healthz), ("GET", "/readyz", readyz))
