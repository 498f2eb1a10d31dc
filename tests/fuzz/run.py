"""A run: a server, a witness, attackers by the dozen, and what must be true once they are gone."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import aiohttp

from commonroom.bench.target.port import free_port
from commonroom.http.application import routes
from commonroom.http.route import Route
from commonroom.storage.embedded.postgres import running
from tests.chaos.logs import log_faults
from tests.fuzz.ledger import Ledger
from tests.fuzz.people import KINDS, Kind, People
from tests.fuzz.value import Pool
from tests.fuzz.web import Asker
from tests.fuzz.wire import Life
from tests.fuzz.witness import Witness
from tests.support.client import Guest, Peer, Refused
from tests.support.github import GithubServer
from tests.support.leak import CANARY, leaks
from tests.support.mail import MailServer
from tests.support.process import connections, memory
from tests.support.server import ServerProcess

__all__ = ["Budget", "Run", "State", "judge"]

MB: Final = 2**20
MOST_GROWTH_BYTES: Final = 32 * MB
"""Of the server, from the end of the warm-up to the end of the run. The rooms that the attackers make stay in no memory, the pages
of the allocator and of bounded caches do: attacks of five minutes measured 11 to 16 MB, most of it in the first two, and 10,000 ended
connections of as many people take 7 MB more (`commonroom.engine.gateway.chronicle`)."""

MOST_TASKS_MORE: Final = 4
SETTLE_S: Final = 60.0
WARM_UP: Final = 0.25
"""The share of a run after which everything that is allocated once is there."""

ROOMS: Final[tuple[tuple[Kind, str], ...]] = (
    ("guest", "unlisted"), ("guest", "unlisted"), ("guest", "private"), ("user", "public"), ("user", "public"), ("user", "private"),
)  # fmt: skip
"""Who founds the rooms that all attackers share, and for whom."""

ROOMS_CHECKED: Final = 30
CLOSED: Final = frozenset({"NOT_FOUND", "ROOM_LOCKED", "ROOM_FULL", "CONFLICT"})
"""What rooms answer that are private, or that their attackers have locked, filled or archived."""

WIRE, WEB = 6, 4
"""Attackers at a time."""

METRIC: Final = re.compile(r"^commonroom_(\w+) ([0-9.e+]+)$", re.MULTILINE)
SETTINGS: Final = {
    "COMMONROOM_LIMITS__SCALE": "0",
    "COMMONROOM_ENGINE__IDLE_S": "1",
    "COMMONROOM_GATEWAY__ERRORS_PER_MINUTE": "1000",
}


class Budget(NamedTuple):
    """How long to attack: for some seconds, or for so many lives and requests of each attacker (`cases`), whatever time they take."""

    seconds: float = 0.0
    cases: int = 0

    def share(self, part: float) -> "Budget":
        return Budget(self.seconds * part, max(1, int(self.cases * part)) if self.cases else 0)


class State(NamedTuple):
    """The server at rest."""

    pid: int
    memory_bytes: int
    connections: int
    tasks: int


def judge(before: State, after: State) -> Iterator[str]:
    """What an attack has left behind."""
    if after.pid != before.pid:
        yield f"the process is another one: {after.pid} instead of {before.pid}"
    if after.memory_bytes - before.memory_bytes > MOST_GROWTH_BYTES:
        yield f"memory grew from {before.memory_bytes >> 20} to {after.memory_bytes >> 20} MB"
    if after.connections > before.connections:
        yield f"{after.connections} connections are open, {before.connections} were"
    if after.tasks > before.tasks + MOST_TASKS_MORE:
        yield f"{after.tasks} tasks run, {before.tasks} did"


class Run:
    """One server under attack.

    Args:
        dsn: a migrated database; empty: the server starts its own.
        settings: of the server, besides those of every run.
    """

    def __init__(self, seed: int, data: Path, dsn: str = "", settings: Mapping[str, str] | None = None) -> None:
        self.seed = seed
        self.ledger = Ledger()
        self.growth_bytes = 0
        self._metrics_port = free_port()
        self._dsn = dsn
        self._data = data
        self._settings = {**SETTINGS, "COMMONROOM_METRICS_PORT": str(self._metrics_port), **(settings or {})}
        if dsn:
            self._settings["COMMONROOM_POSTGRES_URL"] = dsn
        self._pool = Pool()
        self._server: ServerProcess
        self._people: People
        self._lives = 0

    @property
    def failures(self) -> list[str]:
        return self.ledger.failures

    @property
    def log(self) -> Path:
        """The server's."""
        return self._server.log

    async def play(self, budget: Budget) -> None:
        """All of it; what went wrong is in the ledger."""
        async with self._opened() as http:
            await self._prepare(http)
            witness = Witness(self._server.url, self.ledger)
            await witness.open()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(witness.witness())
                await self._attack(budget.share(WARM_UP))
                before = await self._rest(None)
                await self._attack(budget.share(1 - WARM_UP))
                after = await self._rest(before)
                witness.stop()
            self.growth_bytes = after.memory_bytes - before.memory_bytes
            for fault in judge(before, after):
                self.ledger.fail(fault)
            self.ledger.counts["witness"] = witness.said
            await self._check_rooms()
        if await self._server.stop() != 0:
            self.ledger.fail("the server did not end with 0")
        self._check_log()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[aiohttp.ClientSession]:
        client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), headers={"User-Agent": "fuzz"})
        async with MailServer() as mail, GithubServer() as github, client as http:
            known = {
                f"COMMONROOM_PROVIDERS__GITHUB__{name.upper()}": getattr(github.settings, name)
                for name in github.settings.__struct_fields__
            }
            letters = {"COMMONROOM_SMTP_URL": mail.url, "COMMONROOM_MAIL__SENDER": "Commonroom <rooms@example.org>"}
            self._server = ServerProcess(self._data, {**known, **letters, **self._settings})
            await self._server.start()
            try:
                yield http
            except BaseException:
                await self._server.close()
                raise

    async def _prepare(self, http: aiohttp.ClientSession) -> None:
        """People, rooms to share, and the routes that this server says it has."""
        dsn = self._dsn or running(self._data)
        assert dsn
        self._people = People(self._server.url, dsn, http, self._pool)
        await self._people.open()
        _, document = await self._people.call("GET", "/openapi.json")
        declared = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
        self._routes = routes(with_docs=True)
        assert declared == {(route.method, route.path) for route in self._routes}, "the server has other routes"
        for kind, visibility in ROOMS:
            status, body = await self._people.call(
                "POST", "/v1/rooms", {"title": f"{kind} {visibility}", "visibility": visibility}, await self._people.token(kind)
            )
            assert status == 201, body
            self._pool.learn("room", body["id"])

    # The attack.

    async def _attack(self, budget: Budget) -> None:
        """All attackers at once, until the budget is used up."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + budget.seconds

        def goes_on(done: int) -> bool:
            return done < budget.cases if budget.cases else loop.time() < end_s

        self._lives += 1
        order = [*self._routes]
        Random(f"{self.seed} routes {self._lives}").shuffle(order)
        turns = cycle(order)
        async with asyncio.TaskGroup() as attackers:
            for number in range(WIRE):
                attackers.create_task(self._live(Random(f"{self.seed} wire {self._lives} {number}"), goes_on))
            for number in range(WEB):
                attackers.create_task(self._ask(Random(f"{self.seed} web {self._lives} {number}"), goes_on, turns))

    async def _live(self, random: Random, goes_on: Callable[[int], bool]) -> None:
        done = 0
        while goes_on(done):
            life = Life(self._port, self._people, self._pool, random, self.ledger)
            await life.live(random.choice(("guest", "guest", "user", "admin", "stranger")))
            done += 1

    async def _ask(self, random: Random, goes_on: Callable[[int], bool], turns: Iterator[Route]) -> None:
        asker, done = Asker(self._port, self._people, self._pool, random, self.ledger), 0
        most = -(-len(self._routes) // WEB)  # however short the run, each route is asked
        while goes_on(done // most):
            await asker.ask(next(turns), random.choice(KINDS))
            done += 1

    # Afterwards.

    async def _rest(self, before: State | None) -> State:
        """The server once nobody attacks it: as soon as it is well, and after a while in any case."""
        state = await self._look()
        loop = asyncio.get_running_loop()
        end_s = loop.time() + SETTLE_S
        while loop.time() < end_s and (state.connections > 2 or (before is not None and any(judge(before, state)))):
            await asyncio.sleep(0.2)
            state = await self._look()
        return state

    async def _look(self) -> State:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self._metrics_port}/metrics") as answer:
            metrics = {found[1]: float(found[2]) for found in METRIC.finditer(await answer.text())}
        pid = self._server.pid
        return State(pid, memory(pid, "VmRSS"), connections(self._port), int(metrics["process_tasks"]))

    async def _check_rooms(self) -> None:
        """Every room that was attacked lets people in and takes a message; the first and the last ones of a long run."""
        rooms = list(dict.fromkeys(one for one in self._pool.all("room") if isinstance(one, str)))
        peer = await Peer.open(self._server.ws_url, await (await Guest(self._server.url, "last").sign_in()).ws_token())
        for room in [*rooms[: ROOMS_CHECKED // 2], *rooms[ROOMS_CHECKED // 2 :][-ROOMS_CHECKED // 2 :]]:
            try:
                await peer.request("room.join", room=room)
                await peer.request("message.send", room=room, text=f"{CANARY} last", nonce="last-of-the-run")
                self.ledger.counts["rooms alive"] += 1
            except Refused as refused:
                if refused.error.name in CLOSED:
                    self.ledger.counts["rooms closed"] += 1
                else:
                    self.ledger.fail(f"room {room} answers {refused}")
            except TimeoutError:
                self.ledger.fail(f"room {room} is dead")
        await peer.close()

    def _check_log(self) -> None:
        for fault in log_faults(self.log):
            self.ledger.fail(fault)
        for leak in leaks(self.log.read_text(errors="replace")):
            self.ledger.fail(f"the log holds {leak}")

    @property
    def _port(self) -> int:
        return int(self._server.url.rpartition(":")[2])
