"""All figures of the cluster, by name."""

from collections.abc import Callable, Coroutine
from typing import Any

from commonroom.bench.cluster.handoff import handoff
from commonroom.bench.cluster.idle import idle
from commonroom.bench.cluster.latency import latency
from commonroom.bench.cluster.outage import postgres, redis
from commonroom.bench.cluster.reading import Outcome, Setting
from commonroom.bench.cluster.takeover import gateway, stopped_node, takeover, takeover_by_ttl
from commonroom.bench.cluster.workers import workers

__all__ = ["CLUSTER_FIGURES", "ClusterFigure"]

ClusterFigure = Callable[[Setting], Coroutine[Any, Any, Outcome]]
"""Measures on servers of its own, which it ends.

Raises:
    Unavailable, TimeoutError: a server failed.
"""

CLUSTER_FIGURES: dict[str, ClusterFigure] = {
    "takeover": takeover,
    "takeover-by-ttl": takeover_by_ttl,
    "gateway": gateway,
    "handoff": handoff,
    "redis": redis,
    "postgres": postgres,
    "stopped-node": stopped_node,
    "latency": latency,
    "workers": workers,
    "idle": idle,
}
