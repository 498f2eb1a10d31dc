"""What a run needs: a PostgreSQL and a Redis of its own, and the nodes, each behind links of its own."""

import asyncio
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

import aiohttp
import asyncpg

from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.migration import migrate
from tests.chaos.ledger import Ledger
from tests.chaos.node import Node
from tests.support.link import Link
from tests.support.postgres import fill
from tests.support.redis import RedisServer

__all__ = ["World"]

METRIC = re.compile(r"^(commonroom_\w+) ([0-9.e+]+)$", re.MULTILINE)
POSTGRES_SOCKET = ".s.PGSQL.5432"
POLL_S = 2.0
MOST_RSS_BYTES = 400 * 2**20
"""No node of so few rooms and clients may come to hold more (I10)."""

SETTINGS = {
    "COMMONROOM_CLUSTER__DRAIN_S": "2",
    "COMMONROOM_ENGINE__SNAPSHOT_EVENTS": "50",
    "COMMONROOM_LIMITS__SCALE": "1000",
}


class World:
    """For use as an asynchronous context.

    Attributes:
        folder: node logs, sockets and data; kept after a failure.
        dsn: PostgreSQL without a link, for whoever checks.

    Args:
        neighbours: the nodes prove each other's death by their sockets, as on one host; else the TTL tells, as between hosts.
        made: a data directory to begin with, which is copied; None: a new one is made.
    """

    def __init__(self, ledger: Ledger, *, neighbours: bool, made: Path | None = None) -> None:
        self.ledger = ledger
        self._neighbours = neighbours
        self.folder = Path(tempfile.mkdtemp(prefix="cr-chaos-"))
        self.folder.chmod(0o755)
        self._made = made
        self.postgres = EmbeddedPostgres()
        self.redis = RedisServer()
        self.nodes: list[Node] = []
        self.largest_rss_bytes = 0
        self._last: dict[tuple[str, int], dict[str, float]] = {}
        self._polling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._made is not None:
            fill(self.folder / "data", self._made)
        await self.postgres.start(self.folder / "data", on_restart=lambda _line: None)
        await migrate(self.postgres.url)
        await asyncio.to_thread(self.redis.do, "PING")
        self._polling = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        if self._polling is not None:
            self._polling.cancel()
        for node in self.nodes:
            await node.close()
            await node.postgres.close()
            await node.redis.close()
        self.redis.end()
        await self.postgres.stop()
        if kind is None and not self.ledger.failures:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def dsn(self) -> str:
        return self.postgres.url

    async def add_node(self, settings: Mapping[str, str] = SETTINGS) -> Node:
        """One more place, with these settings besides; nothing runs in it yet."""
        name = f"n{len(self.nodes) + 1}"
        before, _, host = self.dsn.partition("host=")
        postgres = Link(self.folder / name / POSTGRES_SOCKET, Path(unquote(host)) / POSTGRES_SOCKET)
        redis = Link(self.folder / name / "redis.sock", Path(self.redis.url.removeprefix("unix://")))
        await postgres.open()
        await redis.open()
        environment = {
            **settings,
            "COMMONROOM_DATA": str(self.folder / f"{name}-data"),
            "COMMONROOM_POSTGRES_URL": f"{before}host={quote(str(postgres.at.parent), safe='')}",
            "COMMONROOM_REDIS_URL": f"unix://{redis.at}",
            "COMMONROOM_CLUSTER__NEIGHBOURS": str(self._neighbours).lower(),
            "COMMONROOM_CLUSTER__SOCKET_DIR": str(self.folder / "near"),
        }
        node = Node(name, self.folder, (postgres, redis), environment, self.ledger)
        self.nodes.append(node)
        return node

    def ports(self) -> list[int]:
        """Of the nodes a client may go to: those of which a load balancer would not know that they are gone."""
        return [node.port for node in self.nodes if node.starts]

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.dsn, timeout=10)

    # -- what the nodes say of themselves --------------------------------------------------------

    def totals(self) -> Counter[str]:
        """Every counter of every process that ran, as it was seen last."""
        sums: Counter[str] = Counter()
        for seen in self._last.values():
            for name, value in seen.items():
                sums[name] += int(value)
        return sums

    async def poll_once(self) -> None:
        for node in self.nodes:
            await self._look_at(node)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self.poll_once()

    async def _look_at(self, node: Node) -> None:
        pid = node.pid
        if not pid:
            return
        self._weigh(node, pid)
        try:
            async with (
                asyncio.timeout(1.0),
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{node.metrics_port}/metrics") as answer,
            ):
                text = await answer.text()
        except (aiohttp.ClientError, OSError):
            return
        self._last[node.name, pid] = {found[1]: float(found[2]) for found in METRIC.finditer(text) if found[1].endswith("_total")}

    def _weigh(self, node: Node, pid: int) -> None:
        try:
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        except (OSError, IndexError):  # it has just ended
            return
        if resident > MOST_RSS_BYTES >= self.largest_rss_bytes:
            self.ledger.fail(f"I10: {node.name} (pid {pid}) holds {resident >> 20} MB")
        self.largest_rss_bytes = max(self.largest_rss_bytes, resident)
