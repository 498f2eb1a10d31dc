"""/metrics and /v1/admin on a port of their own: counts that the parts keep anyway, read when asked."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from aiohttp import web
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from commonroom.errors import Unavailable
from commonroom.http.body import answer

__all__ = ["Buckets", "Reading", "Value", "build_metrics"]


class Buckets(NamedTuple):
    """A histogram: how many were at most each bound, the last count being for those above all; and their sum."""

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


Value = float | Buckets

Reading = Callable[[], Mapping[str, Value]]
"""Names and values now; a name that ends in `_total` is a counter, any other number a gauge."""


class _Readings(Collector):
    def __init__(self, readings: Mapping[str, Reading]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        for area, reading in self._readings.items():
            for name, value in reading().items():
                text = f"{name.removesuffix('_total').replace('_', ' ')} of the {area}"
                yield _family(f"commonroom_{area}_{name}", text, value)


def _family(name: str, text: str, value: Value) -> Metric:
    if isinstance(value, Buckets):
        bounds = [*(f"{bound:g}" for bound in value.bounds), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(value.counts)), strict=True))
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=value.total)
    if name.endswith("_total"):
        return CounterMetricFamily(name.removesuffix("_total"), text, value=value)
    return GaugeMetricFamily(name, text, value=value)


def build_metrics(readings: Mapping[str, Reading], admin: Callable[[], Awaitable[Struct]] | None = None) -> web.Application:
    """An application that answers /metrics and /v1/admin/cluster; listen with it on loopback only.

    Args:
        admin: the cluster's status now; None: that path is not found. Its `Unavailable` is answered 503.
    """
    registry = CollectorRegistry()
    registry.register(_Readings(readings))

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def unnamed(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = "Commonroom"  # aiohttp's own names versions

    app = web.Application()
    app.on_response_prepare.append(unnamed)
    app.router.add_get("/metrics", metrics)
    if admin is not None:
        app.router.add_get("/v1/admin/cluster", _answering(admin))
    return app


def _answering(read: Callable[[], Awaitable[Struct]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_request: web.Request) -> web.Response:
        try:
            return answer(await read())
        except Unavailable as error:
            return web.Response(status=503, text=error.message)

    return handler
