"""`commonroom cluster status`: one node's picture of the cluster, asked over its metrics listener."""

import os
from collections.abc import Iterator, Sequence

import aiohttp
import msgspec

from commonroom.config.settings import HttpSettings
from commonroom.engine.cluster.status import ClusterStatus, MemberStatus
from commonroom.errors import Unavailable

__all__ = ["admin_url", "fetch", "parse", "table"]

PATH = "/v1/admin/cluster"
TIMEOUT_S = 5.0
MOVES_SHOWN = 8
ALL_INTERFACES = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not where to listen
HEADINGS = ("node", "id", "host", "version", "weight", "state", "slots")


def admin_url(settings: HttpSettings) -> str:
    """Where the node with these settings listens for metrics and admin."""
    host = ALL_INTERFACES.get(settings.metrics_host, settings.metrics_host)
    return f"http://[{host}]:{settings.metrics_port}" if ":" in host else f"http://{host}:{settings.metrics_port}"


async def fetch(base: str) -> bytes:
    """The status as JSON.

    Args:
        base: URL of the metrics listener, without a path.

    Raises:
        Unavailable: nobody answers there within 5 s, or it is no node of ours.
    """
    url = base.rstrip("/") + PATH
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http, http.get(url) as answer:
            body = await answer.read()
    except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
        raise Unavailable(f"{url} does not answer: {_reason(error)}") from None
    if answer.status != 200:
        raise Unavailable(f"{url} answers {answer.status}")
    return body


def parse(body: bytes) -> ClusterStatus:
    """The status from its JSON.

    Raises:
        Unavailable: it is something else.
    """
    try:
        return msgspec.json.decode(body, type=ClusterStatus)
    except msgspec.DecodeError as error:
        raise Unavailable(f"the answer is no cluster status: {error}") from None


def table(status: ClusterStatus) -> str:
    """The status for a person: a row for each node, then what moves and waits."""
    members = sorted(status.members, key=lambda member: (member.name, member.id))
    return "\n".join([*_aligned([HEADINGS, *map(_row, members)]), "", *_facts(status)])


def _row(member: MemberStatus) -> tuple[str, ...]:
    name = f"{member.name} *" if member.here else member.name
    return name, member.id, member.host, member.version, f"{member.weight:g}", member.state, str(member.slots)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _facts(status: ClusterStatus) -> Iterator[str]:
    shown = ", ".join(map(str, status.moving[:MOVES_SHOWN])) + (", …" if len(status.moving) > MOVES_SHOWN else "")
    yield f"membership    {'frozen: quiet period' if status.quiet else 'settled'}"
    yield f"unowned       {status.unowned} slots"
    yield f"moving        {len(status.moving)} slots" + (f": {shown}" if shown else "")
    yield f"highest epoch {max(status.epochs.values(), default=0)}"
    yield f"lane queue    {status.lane_rows} rows"
    yield f"bus queue     {status.bus_queued_bytes} bytes"
    yield f"loop lag      {status.loop_lag_ms:.1f} ms"
    yield "lease margin  none needed: the only node" if status.lease_margin_ms is None else f"lease margin  {status.lease_margin_ms} ms"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {TIMEOUT_S:g} s"
    number = getattr(error, "errno", None) or 0
    if number > 0:  # getaddrinfo's own numbers are negative
        return os.strerror(number).lower()
    return " ".join(str(error).split()).lower()[:200] or type(error).__name__
