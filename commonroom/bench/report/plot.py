"""A run as a picture: deliveries and answers a second, and the distribution of durations (SVG 1.1)."""

from collections.abc import Callable
from html import escape
from itertools import pairwise
from math import log10

from commonroom.bench.load.histogram import Histogram
from commonroom.bench.load.pacing import LAG
from commonroom.bench.report.result import Result
from commonroom.bench.report.table import shown

__all__ = ["as_svg"]

WIDTH, HEIGHT, MARGIN = 460, 260, 56
COLOURS = ("#2563eb", "#d97706", "#059669", "#be185d", "#6d28d9")
SHARES = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999]

Line = tuple[str, list[tuple[float, float]]]


def as_svg(result: Result) -> str:
    """Two charts side by side under a title that names scenario, commit and machine."""
    title = f"{result.banner.scenario} · {result.banner.commit} · {result.banner.machine}"
    charts = [
        _chart(0, "per second, over seconds", _rates(result), shown),
        _chart(WIDTH, "ms by share of requests", _quantiles(result), _share),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT + 40}" font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/><text x="12" y="22" font-size="13">{escape(title)}</text>{"".join(charts)}</svg>\n'
    )


def _rates(result: Result) -> list[Line]:
    points = result.points
    pairs = [(before, after) for before, after in pairwise(points) if after.at_s > before.at_s]
    delivered = [(after.at_s, (after.delivered - before.delivered) / (after.at_s - before.at_s)) for before, after in pairs]
    answered = [(after.at_s, (after.answered - before.answered) / (after.at_s - before.at_s)) for before, after in pairs]
    return [("deliveries", delivered), ("answers", answered)]


def _quantiles(result: Result) -> list[Line]:
    """The x axis is the number of nines, so that the tail is seen."""
    named = [(name, histogram) for name, histogram in result.tally.durations.items() if histogram.count and name != LAG]
    return [(name, _curve(histogram)) for name, histogram in named]


def _curve(histogram: Histogram) -> list[tuple[float, float]]:
    return [(-log10(1 - share), histogram.quantile_us(share) / 1000) for share in SHARES]


def _share(nines: float) -> str:
    return f"{100 * (1 - 10**-nines):.4g} %"


def _chart(left: int, title: str, lines: list[Line], label: Callable[[float], str]) -> str:
    right = max((x for _, line in lines for x, _ in line), default=1) or 1
    top = max((y for _, line in lines for _, y in line), default=1) or 1
    wide, high = WIDTH - MARGIN - 16, HEIGHT - 64
    parts = [f'<text x="{left + MARGIN}" y="52" fill="#555">{title}</text>']
    for step in range(5):
        y, x = 64 + high - high * step / 4, left + MARGIN + wide * step / 4
        parts.append(f'<path d="M{left + MARGIN} {y:.1f}h{wide}" stroke="#ddd"/>')
        parts.append(f'<text x="{left + MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{shown(top * step / 4)}</text>')
        parts.append(f'<text x="{x:.1f}" y="{64 + high + 16}" text-anchor="middle">{label(right * step / 4)}</text>')
    for number, (name, line) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{left + MARGIN + wide * x / right:.1f},{64 + high - high * y / top:.1f}" for x, y in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<text x="{left + MARGIN + 8 + 90 * number}" y="{HEIGHT + 34}" fill="{colour}">{escape(name)}</text>')
    return "".join(parts)
