"""A result for reading: a banner, a table, a verdict; and as lines of CSV."""

import csv
import io
from collections.abc import Iterator

from commonroom.bench.load.pacing import LAG
from commonroom.bench.report.result import Result, Row, ms

__all__ = ["as_csv", "as_text", "quantities", "shown"]

QUANTILES = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"))


def as_text(result: Result) -> str:
    """All of it."""
    return "\n".join([*_banner(result), "", *_table([*result.rows, *quantities(result)]), "", *_times(result), "", *_verdict(result)])


def as_csv(result: Result) -> str:
    """One line a figure: scenario, commit, name, value, unit."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["scenario", "commit", "name", "value", "unit"])
    for row in [*result.rows, *quantities(result)]:
        writer.writerow([result.banner.scenario, result.banner.commit, row.name, row.value, row.unit])
    for name, histogram in result.tally.durations.items():
        for share, label in QUANTILES:
            writer.writerow([result.banner.scenario, result.banner.commit, f"{name} {label}", ms(histogram, share), "ms"])
    return out.getvalue()


def quantities(result: Result) -> list[Row]:
    """What every scenario tells."""
    tally, server = result.tally, result.server
    rows = [
        Row("duration", result.seconds, "s"),
        Row("commands sent", tally.sent),
        Row("answered", tally.answered),
        Row("deliveries", tally.delivered),
        Row(
            "lost / duplicated / reordered / corrupted",
            f"{tally.flaws.lost} / {tally.flaws.duplicated} / {tally.flaws.reordered} / {tally.flaws.corrupted}",
        ),
        Row("server CPU", _or_unknown(server.cpu_s), "s"),
        Row("PostgreSQL CPU", _or_unknown(server.postgres_cpu_s), "s"),
        *([Row("Redis CPU", _or_unknown(server.redis_cpu_s), "s")] if result.banner.nodes > 1 else []),
        Row("server RSS before → after", f"{_mb(server.rss_before_bytes)} → {_mb(server.rss_after_bytes)}", "MB"),
        Row("server loop lag p99", _or_unknown(server.lag_p99_ms), "ms or less"),
        Row("SQL statements a command", result.per_message(server.statements)),
        Row(
            "Redis commands a command", "none: single node" if server.redis_commands is None else result.per_message(server.redis_commands)
        ),
        Row("busiest worker", result.generator_cpu_share, "of a core"),
    ]
    return rows + [Row(name, value) for name, value in tally.numbers.items()]


def shown(value: float | str) -> str:
    """A number as a person reads it."""
    if isinstance(value, str):
        return value
    if abs(value) >= 1000 or value == int(value):  # in this order: a lag beyond the last bucket is infinite
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _banner(result: Result) -> Iterator[str]:
    banner = result.banner
    yield f"Commonroom bench: {banner.scenario}" + (f", fault {banner.fault}" if banner.fault else "")
    yield f"  command   {banner.command}"
    yield f"  commit    {banner.commit} (version {banner.version})"
    yield f"  machine   {banner.machine}; load average {banner.load_average}"
    yield f"  target    {banner.target}"
    if banner.raised:
        yield "  raised    " + " ".join(f"{name}={value}" for name, value in banner.raised.items())
    yield (
        "  work      "
        + " ".join(f"{name}={value}" for name, value in banner.parameters.items())
        + f" nodes={banner.nodes} workers={banner.workers} seed={banner.seed}"
    )
    if not banner.steered:
        yield "  clients   name no room when they connect"


def _table(rows: list[Row]) -> Iterator[str]:
    width = max(len(row.name) for row in rows)
    values = [shown(row.value) for row in rows]
    right = max(len(value) for value in values)
    for row, value in zip(rows, values, strict=True):
        yield f"  {row.name:{width}}  {value:>{right}} {row.unit}".rstrip()


def _times(result: Result) -> Iterator[str]:
    yield f"  {'milliseconds':12} {'count':>12} {'mean':>9} " + " ".join(f"{label:>9}" for _, label in QUANTILES) + f" {'max':>9}"
    for name, histogram in result.tally.durations.items():
        if histogram.count:
            cells = " ".join(f"{ms(histogram, share):9.2f}" for share, _ in QUANTILES)
            label = "generator" if name == LAG else name
            yield f"  {label:12} {histogram.count:12,} {histogram.mean_us / 1000:9.2f} {cells} {histogram.max_us / 1000:9.2f}"


def _verdict(result: Result) -> Iterator[str]:
    if result.interrupted:
        yield "INTERRUPTED: these are the figures up to then"
    for warning in result.warnings:
        yield f"WARNING: {warning}"
    for failure in result.failures:
        yield f"FAILED: {failure}"
    if not result.failures:
        yield "delivery check passed: nothing lost, duplicated, reordered or corrupted" + (
            " but what is said above" if result.warnings else ""
        )


def _or_unknown(value: float | None) -> float | str:
    return "unknown" if value is None else value


def _mb(value: int | None) -> str:
    return "unknown" if value is None else f"{value / 1e6:.1f}"
