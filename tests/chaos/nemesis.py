"""Brings the faults of a plan about, on real processes, and mends each in its time."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.node import Node
from tests.chaos.person import Person
from tests.chaos.plan import Fault
from tests.chaos.witness import Witness
from tests.chaos.world import World
from tests.support.client import until

__all__ = ["Nemesis"]

CALL_S = 3.0
IN_FLIGHT_S = 0.3
"""So long writes pile up on a held link before their node is killed."""

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"


class Nemesis:
    """Faults by name. Each coroutine ends when its fault is over; `calm` ends all of them early.

    Args:
        say: is told what is done, in words.
    """

    def __init__(self, world: World, people: Sequence[Person], witness: Witness, say: Callable[[str], None]) -> None:
        self._world = world
        self._witness = witness
        self._people = people
        self._say = say
        self._calm = asyncio.Event()
        self._does: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill node": self._kill_node,
            "stop node": self._stop_node,
            "break sockets": self._break_sockets,
            "kill redis": self._kill_redis,
            "stop redis": self._stop_redis,
            "flush redis": self._flush_redis,
            "kill subscribers": self._kill_subscribers,
            "kill redis clients": self._kill_redis_clients,
            "terminate backends": self._terminate_backends,
            "crash postgres": self._crash_postgres,
            "slow link": self._slow_link,
            "stall link": self._stall_link,
            "cut link": self._cut_link,
            "late writes": self._late_writes,
            "drop link": self._drop_link,
            "scale": self._scale,
            "roll": self._roll,
        }

    async def run(self, faults: Sequence[Fault], seconds: float) -> None:
        """Bring them about at their times, then calm down; returns when everything is mended."""
        began_s = self._world.ledger.now()
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                await asyncio.sleep(max(0.0, began_s + fault.at_s - self._world.ledger.now()))
                tasks.create_task(self._bring(fault), name=fault.name)
            await asyncio.sleep(max(0.0, began_s + seconds - self._world.ledger.now()))
            self._say("calm: everything is mended now")
            self._calm.set()

    async def _bring(self, fault: Fault) -> None:
        self._world.ledger.counts[fault.name] += 1
        await self._does[fault.name](fault)

    async def _last(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._calm.wait()

    def _pick(self, fault: Fault) -> Node | None:
        """The fault's node if it runs, else one that does."""
        nodes = self._world.nodes[fault.target :] + self._world.nodes[: fault.target]
        return next((node for node in nodes if node.pid), None)

    # -- nodes and clients -------------------------------------------------------------------------

    async def _kill_node(self, fault: Fault) -> None:
        if (node := self._pick(fault)) is None:
            return
        self._say(f"kill -9 {node.name} for {fault.lasts_s:.1f} s")
        node.kill(fault.lasts_s)
        await self._last(fault.lasts_s)

    async def _stop_node(self, fault: Fault) -> None:
        if (node := self._pick(fault)) is None:
            return
        self._say(f"SIGSTOP {node.name} for {fault.lasts_s:.1f} s")
        node.suspend()
        await self._last(fault.lasts_s)
        node.resume()

    async def _break_sockets(self, fault: Fault) -> None:
        hit = [person for number, person in enumerate(self._people) if fault.choice >> number % 16 & 1]
        self._say(f"break the sockets of {len(hit)} clients")
        for person in hit:
            person.drop()

    async def _scale(self, fault: Fault) -> None:
        """3 → 2 → 4 → 3. What leaves must drain."""
        first, last = self._world.nodes[fault.target], self._world.nodes[3]
        self._say(f"scale down: {first.name} leaves")
        await first.leave()
        await self._last(fault.lasts_s / 4)
        self._say("scale up to four")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(first.start())
            tasks.create_task(last.start())
        await self._last(fault.lasts_s / 4)
        self._say(f"scale down: {last.name} leaves")
        await last.leave()

    async def _roll(self, fault: Fault) -> None:
        for node in self._world.nodes[:3]:
            if self._calm.is_set():
                return
            self._say(f"rolling restart: {node.name}")
            await node.leave()
            await node.start()

    # -- Redis ---------------------------------------------------------------------------------------

    async def _kill_redis(self, fault: Fault) -> None:
        self._say(f"kill -9 redis-server for {fault.lasts_s:.1f} s")
        await asyncio.to_thread(self._world.redis.kill)
        await self._last(fault.lasts_s)
        self._world.redis.start()

    async def _stop_redis(self, fault: Fault) -> None:
        self._say(f"SIGSTOP redis-server for {fault.lasts_s:.1f} s")
        self._world.redis.suspend()
        await self._last(fault.lasts_s)
        self._world.redis.resume()

    async def _flush_redis(self, _fault: Fault) -> None:
        await self._ask_redis("FLUSHALL")

    async def _kill_subscribers(self, _fault: Fault) -> None:
        await self._ask_redis("CLIENT", "KILL", "TYPE", "pubsub")

    async def _kill_redis_clients(self, _fault: Fault) -> None:
        await self._ask_redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await self._ask_redis("CLIENT", "KILL", "TYPE", "pubsub")

    async def _ask_redis(self, *command: str) -> None:
        self._say(" ".join(command))
        try:
            async with asyncio.timeout(CALL_S), Redis.from_url(self._world.redis.url) as redis:
                await redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            self._say("    … it is not there")

    # -- PostgreSQL -----------------------------------------------------------------------------------

    async def _terminate_backends(self, fault: Fault) -> None:
        random = Random(fault.choice)
        try:
            async with asyncio.timeout(CALL_S):
                connection = await asyncpg.connect(self._world.dsn)
                try:
                    hit = [row["pid"] for row in await connection.fetch(BACKENDS) if random.random() < 0.3]
                    await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS u (pid)", hit)
                finally:
                    connection.terminate()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            self._say("terminate backends: PostgreSQL is not there")
            return
        self._say(f"terminate {len(hit)} PostgreSQL backends")

    async def _crash_postgres(self, fault: Fault) -> None:
        self._say("SIGQUIT to the postmaster")
        with suppress(ProcessLookupError):
            os.kill(self._world.postgres.pid, signal.SIGQUIT)
        await self._last(fault.lasts_s)

    # -- the links of one node ---------------------------------------------------------------------------

    async def _slow_link(self, fault: Fault) -> None:
        node, server = self._end(fault)
        link = getattr(node, server)
        delay_s = 0.05 + fault.choice % 251 / 1000
        self._say(f"{node.name} to {server}: {delay_s * 1000:.0f} ms later each way for {fault.lasts_s:.1f} s")
        link.up.delay_s = link.down.delay_s = delay_s
        await self._last(fault.lasts_s)
        link.heal()

    async def _stall_link(self, fault: Fault) -> None:
        await self._hold(fault, ("up", "down"))

    async def _cut_link(self, fault: Fault) -> None:
        await self._hold(fault, ("up",) if fault.choice & 2 else ("down",))

    async def _hold(self, fault: Fault, ways: tuple[str, ...]) -> None:
        node, server = self._end(fault)
        link = getattr(node, server)
        self._say(f"{node.name} to {server}: nothing passes {' or '.join(ways)} for {fault.lasts_s:.1f} s")
        for way in ways:
            getattr(link, way).hold()
        await self._last(fault.lasts_s)
        link.heal()

    async def _late_writes(self, fault: Fault) -> None:
        if (node := self._pick(fault)) is None:
            return
        self._say(f"kill -9 {node.name}; what it was writing arrives when others have its slots")
        node.postgres.up.hold()
        await self._last(IN_FLIGHT_S)
        node.kill(fault.lasts_s)
        claims = self._witness.claims
        with suppress(TimeoutError):
            await until(lambda: self._witness.claims > claims or self._calm.is_set(), "a claim", fault.lasts_s)
        node.postgres.heal()

    async def _drop_link(self, fault: Fault) -> None:
        node, server = self._end(fault)
        self._say(f"{node.name} to {server}: all connections break")
        getattr(node, server).drop()

    def _end(self, fault: Fault) -> tuple[Node, str]:
        return self._world.nodes[fault.target], "postgres" if fault.choice & 1 else "redis"
