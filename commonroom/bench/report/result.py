"""What a run gave, apart from how it is shown. Serialisable as it is."""

from typing import Any

from msgspec import Struct, field

from commonroom.bench.load.histogram import Histogram
from commonroom.bench.load.pacing import LAG
from commonroom.bench.load.tally import Tally

__all__ = ["Banner", "Point", "Result", "Row", "ServerSide", "judge", "ms"]

SLOW_GENERATOR_MS = 50
BUSY_SHARE = 0.9


class Banner(Struct):
    """Under which circumstances."""

    scenario: str
    command: str
    parameters: dict[str, Any]
    target: str
    raised: dict[str, str]
    """Settings of the server that differ from its defaults."""
    fault: str
    version: str
    commit: str
    machine: str
    load_average: str
    """Before the run."""
    workers: int
    seed: int
    nodes: int = 1
    """Processes that serve."""
    steered: bool = True
    """Clients name their room when they connect."""


class ServerSide(Struct):
    """What the server spent between the start gate and the last delivery; None where it cannot be known."""

    cpu_s: float | None = None
    """Of all nodes and their supervisor, without PostgreSQL's and Redis's."""
    postgres_cpu_s: float | None = None
    redis_cpu_s: float | None = None
    rss_start_bytes: int | None = None
    """Before the clients came."""
    rss_before_bytes: int | None = None
    """When the gate opened."""
    rss_after_bytes: int | None = None
    lag_p99_ms: float | None = None
    statements: float | None = None
    redis_commands: float | None = None
    counters: dict[str, float] = field(default_factory=dict)
    """All counters of its metrics that moved."""
    gauges: dict[str, float] = field(default_factory=dict)
    """At the end."""


class Point(Struct):
    """One moment of a run."""

    at_s: float
    delivered: int
    answered: int


class Row(Struct):
    """A figure."""

    name: str
    value: float | str
    unit: str = ""


class Result(Struct):
    """One run."""

    banner: Banner
    seconds: float
    tally: Tally
    server: ServerSide
    generator_cpu_share: float
    """CPU-seconds a second of the busiest worker; about 1 is all it can have."""
    points: list[Point]
    interrupted: bool = False
    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Empty on a good run."""

    def per_cpu_s(self, number: float) -> float | str:
        """A count per second of the server's CPU."""
        return number / self.server.cpu_s if self.server.cpu_s else "unknown"

    def per_message(self, number: float | None) -> float | str:
        """A count per command of the clients."""
        return "unknown" if number is None or not self.tally.sent else number / self.tally.sent


def ms(histogram: Histogram, share: float) -> float:
    """A quantile in milliseconds."""
    return histogram.quantile_us(share) / 1000


def judge(result: Result, *, keeps: bool) -> None:
    """Fill in failures and warnings.

    Args:
        keeps: whether what was sent is durable. A fault may lose volatile messages, nothing else.
    """
    tally, flaws = result.tally, result.tally.flaws
    may_lose = bool(result.banner.fault) and not keeps
    for name in ("lost", "duplicated", "reordered", "corrupted"):
        count = getattr(flaws, name)
        if not count:
            continue
        if name == "lost" and may_lose:
            result.warnings.append(f"{count} volatile messages were lost under the fault")
        else:
            result.failures.append(f"{count} messages {name}")
    if tally.dropped and not result.banner.fault:
        result.warnings.append(f"{tally.dropped} clients were dropped; {tally.reconnects} came back")
    if tally.refused:
        refused = ", ".join(f"{times} {name}" for name, times in tally.refused.items())
        result.warnings.append(f"commands were refused and sent again: {refused}")
    if (late := tally.numbers.get("not sent in time")) is not None:
        result.warnings.append(f"{late:g} messages could not be sent in time: the rate is beyond what is answered")
    if ms(tally.time(LAG), 0.99) > SLOW_GENERATOR_MS:
        result.warnings.append(f"the generator was late itself: p99 {ms(tally.time(LAG), 0.99):.0f} ms; its times are too long")
    if result.generator_cpu_share > BUSY_SHARE:
        result.warnings.append(f"a worker used {result.generator_cpu_share:.2f} of a core: the generator may be the limit (--workers)")
