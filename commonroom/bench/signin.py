"""What signing in costs those who are in already, and what it tells those who guess."""

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp

from commonroom.bench.cluster.reading import quantile
from commonroom.bench.collector import keep_quiet
from commonroom.bench.load.account import Accounts
from commonroom.bench.load.dialect import Commonroom
from commonroom.bench.load.person import Person, Site
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.tally import Tally
from commonroom.bench.suite import Outcome, Reading
from commonroom.bench.target.target import Spawned, spawned
from commonroom.bench.target.user import ADDRESS, PASSWORD, make_user
from commonroom.clock import ClusterClock, cpu_s, monotonic_us
from commonroom.errors import Unavailable
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.typing import TypingStart
from commonroom.tasks import TaskGroup, pause
from commonroom.token import KeyRing, PrincipalTokens, SigningKey

__all__ = ["SIGN_IN_FIGURES", "password_logins", "timing", "token_check"]

AT_ONCE = 50
WITNESS_EVERY_S = 0.01
CALM_S = 2.0
LOAD_S = 10.0
GUESSES = 100
CHECKS = 20_000
UNKNOWN: Final = "unknown@example.org"
TIMEOUT_S: Final = 30.0


async def password_logins(settings: Mapping[str, str]) -> Outcome:
    """50 people log in by password without pause, each from an address of their own; one socket is timed meanwhile."""
    outcome = Outcome("logins", f"{AT_ONCE} password logins under way at any time; a witness's socket meanwhile")
    async with spawned(settings) as server:
        await make_user(server)
        witness, tasks, accounts = await _witness(server)
        calm_ms = await _round_trips(witness, CALM_S)
        done: list[int] = []
        stopping = asyncio.Event()
        keep_quiet()
        people = [tasks.start(f"login {number}", _log_in_again(server.url, number, done, stopping)) for number in range(AT_ONCE)]
        busy_ms = await _round_trips(witness, LOAD_S)
        stopping.set()
        results = await asyncio.gather(*people, return_exceptions=True)
        outcome.failures = [f"a login failed: {error}" for error in results if isinstance(error, BaseException)][:3]
        witness.leave()
        await tasks.close()
        await accounts.close()
        outcome.readings = [
            Reading("logins a second", len(done) / LOAD_S, ""),
            Reading("witness without logins: p99", quantile(calm_ms, 0.99), "ms"),
            Reading("witness: p50", quantile(busy_ms, 0.5), "ms"),
            Reading("witness: p99", quantile(busy_ms, 0.99), "ms", 50.0),
        ]
    return outcome


async def timing(settings: Mapping[str, str]) -> Outcome:
    """The same wrong password for an address that has an account and for one that has none, by turns."""
    outcome = Outcome("timing", f"a wrong password for a known and an unknown address, {GUESSES} each by turns")
    taken_ms: dict[str, list[float]] = {ADDRESS: [], UNKNOWN: []}
    async with spawned(settings) as server:
        await make_user(server)
        keep_quiet()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:
            for _ in range(GUESSES):
                for address, taken in taken_ms.items():
                    began_us = monotonic_us()
                    await _log_in(http, server.url, address, "wrong horse battery", 401)
                    taken.append((monotonic_us() - began_us) / 1000)
    known, unknown = (quantile(taken, 0.5) for taken in taken_ms.values())
    outcome.readings = [
        Reading("known address: median", known, "ms"),
        Reading("unknown address: median", unknown, "ms"),
        Reading("they differ by", 100 * abs(known - unknown) / known, "%", 20.0),
    ]
    return outcome


async def token_check(_settings: Mapping[str, str]) -> Outcome:
    """A ws token verified in this process: CPU, no I/O of any kind."""
    clock = ClusterClock()
    tokens = PrincipalTokens("ws", KeyRing([SigningKey("k", "ws", b"k" * 32)], clock), clock)
    ada = Authority(Principal("user", "0" * 26), SessionId("1" * 26), "Ada Lovelace", 0, guests=("1" * 26,))
    token = tokens.mint(ada).token
    began_s = cpu_s()
    for _ in range(CHECKS):
        tokens.verify(token)
    each_us = 1e6 * (cpu_s() - began_s) / CHECKS
    return Outcome("ws-token", "check of a ws token", [Reading("CPU each", each_us, "µs", 60.0), Reading("SQL statements", 0, "", 0.0)])


SIGN_IN_FIGURES: Final = {"ws-token": token_check, "timing": timing, "logins": password_logins}


async def _witness(server: Spawned) -> tuple[Person, TaskGroup, Accounts]:
    """Somebody in a room."""
    tasks, accounts = TaskGroup(lambda _name, _error: None), Accounts(server.url)
    room = await accounts.room(await accounts.guest("host"), "witnessed")
    speech = Commonroom(durable=False)
    person = Person(Site("127.0.0.1", server.ports[0], accounts, tasks, Tally()), speech, StreamCheck(speech), room, 1)
    await person.enter()
    return person, tasks, accounts


async def _round_trips(witness: Person, seconds: float) -> list[float]:
    """Milliseconds of each command from sending to its answer."""
    taken_ms: list[float] = []
    end_us = monotonic_us() + int(seconds * 1_000_000)
    while monotonic_us() < end_us:
        began_us = monotonic_us()
        await witness.ask(lambda ref: TypingStart(ref, witness.room))
        taken_ms.append((monotonic_us() - began_us) / 1000)
        await pause(WITNESS_EVERY_S)
    return taken_ms


async def _log_in_again(url: str, number: int, done: list[int], stopping: asyncio.Event) -> None:
    connector = aiohttp.TCPConnector(local_addr=(f"127.0.0.{2 + number}", 0))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:
        while not stopping.is_set():
            await _log_in(http, url, ADDRESS, PASSWORD, 200)
            done.append(number)


async def _log_in(http: aiohttp.ClientSession, url: str, address: str, password: str, expected: int) -> None:
    body = {"email": address, "password": password, "cookie": False}
    async with http.post(f"{url}/v1/auth/login", json=body) as answer:
        await answer.read()
        if answer.status != expected:
            raise Unavailable(f"a login was answered {answer.status}")
