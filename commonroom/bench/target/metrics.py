"""The server's own metrics, read before and after a run."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import aiohttp

__all__ = ["fetch", "quantile_ms", "read_metrics"]

LINE = re.compile(r'^([a-z_]+)(?:\{le="([^"]+)"\})? ([0-9.e+-]+|[+-]Inf|NaN)$', re.MULTILINE)
TIMEOUT_S = 5.0


async def fetch(url: str) -> bytes:
    """The body of a page; empty where nobody answers."""
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http, http.get(url) as answer:
            return await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        return b""


async def read_metrics(urls: Sequence[str]) -> dict[str, float]:
    """Values by name, a bucket's as `name<bound`, added up over all nodes; nothing where nobody answers."""
    total: defaultdict[str, float] = defaultdict(float)
    for page in await asyncio.gather(*map(fetch, urls)):
        for name, bound, value in LINE.findall(page.decode()):
            total[f"{name}<{bound}" if bound else name] += float(value)
    return dict(total)


def quantile_ms(before: Mapping[str, float], after: Mapping[str, float], name: str, share: float) -> float | None:
    """The upper bound of the bucket in which a histogram in seconds reaches the share; None where there is none.

    One that counts less than before was begun anew meanwhile, with its server.
    """
    prefix = f"{name}_bucket<"
    everything = f"{prefix}+Inf"
    earlier = before if after.get(everything, 0) >= before.get(everything, 0) else {}
    counts = {key.removeprefix(prefix): after[key] - earlier.get(key, 0) for key in after if key.startswith(prefix)}
    total = counts.get("+Inf", 0)
    if not total:
        return None
    reached = [float(bound) for bound, count in counts.items() if count >= share * total]
    return min(reached) * 1000
