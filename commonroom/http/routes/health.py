"""Health: /healthz (the process lives), /readyz (it can serve). No versions, no addresses."""

from typing import Literal

from aiohttp import web

from commonroom.http.body import answer
from commonroom.http.route import Route
from commonroom.http.services import SERVICES
from commonroom.http.shape import Shape

__all__ = ["TABLE"]


class Health(Shape, frozen=True):
    """The process lives."""

    status: Literal["ok"]


class Readiness(Shape, frozen=True):
    """Whether requests can be served, and why not."""

    status: Literal["ok", "unready"]
    reasons: list[str]


async def healthz(_request: web.Request) -> web.Response:
    """The process lives and its loop turns."""
    return answer(Health("ok"))


async def readyz(request: web.Request) -> web.Response:
    """Whether requests can be served; 503 with the reasons where they cannot."""
    reasons = await request.app[SERVICES].unready()
    return answer(Readiness("unready" if reasons else "ok", reasons), status=503 if reasons else 200)


TABLE = (
    Route("GET", "/healthz", "health.read", healthz, answer=Health, signed_in=False, limits=()),
    Route("GET", "/health", "health.read", healthz, answer=Health, signed_in=False, limits=()),
    Route("GET", "/readyz", "health.read", readyz, answer=Readiness, also={503: Readiness}, signed_in=False, limits=()),
)
