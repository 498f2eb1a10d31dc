"""Attackers of the HTTP API: every declared route with right, wrong and broken requests, byte by byte as they want it."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from msgspec import inspect as ins

from commonroom.http.route import Route
from tests.fuzz.ledger import Ledger
from tests.fuzz.people import Kind, People
from tests.fuzz.value import Pool, broken, hostile, mutated, value

__all__ = ["Answer", "Asker", "Request", "answers", "faults", "make"]

BOUND_S: Final = 20.0
PATIENCE_S: Final = 0.5
"""How long a request waits for an answer that may not be one at all."""

TOLD: Final = frozenset({"RETRY", "MAIL_NOT_CONFIGURED"})
"""What a 503 must be called: the server is short of something, and says of what kind."""

INSIDE: Final = (b"Traceback", b'File "', b".py:", b"asyncpg", b"CharacterNot", b"DataError", b"msgspec.", b"aiohttp/", b"Python/")
"""Words that no answer holds: they tell of the inside."""

STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3}) [A-Z]")
"""Wherever it stands: nothing lies between two answers."""
TOKEN: Final = re.compile(rb"eyJ[\w-]+\.[\w-]+\.[\w-]+")
PARAMETER: Final = re.compile(r"{(\w+)}")
ENDINGS: Final = frozenset({"delete_me", "log_out", "log_out_everywhere"})
"""Routes that an admin leaves alone: each would cost a new one."""

HEADERS: Final = (
    "X-Forwarded-For: 1.2.3.4, \x7f", "X-Request-Id: " + "x" * 300, "X-Request-Id: ok-1", "User-Agent: \x1b[2J", "User-Agent: é\u2028",
    "Range: bytes=0-",
    "If-None-Match: *", "Accept-Encoding: gzip, br", "Accept: text/html", "Expect: 100-continue", "Cookie: commonroom_refresh=x; a=b; =; ;",
    "Cookie: commonroom_refresh=eyJhbGciOiJub25lIn0.e30.", "Origin: https://evil.example", "Sec-Fetch-Site: same-origin",
    "Content-Encoding: gzip",
    "Content-Encoding: deflate", "Idempotency-Key: " + "k" * 65, "Idempotency-Key: nonce-0001", "Host: other.example", "Upgrade: websocket",
    "Connection: upgrade", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked123", "Content-Length: 5", "Content-Length: -1",
    "Authorization: Basic eDp5",
    "Authorization: Bearer", "Authorization: bearer a.b.c", "X-HTTP-Method-Override: DELETE", "Content-Type: text/plain", " folded",
    "no colon", ": no name",
)  # fmt: skip
UNFRAMED: Final = ("Host", "Transfer", "Content-Length", "Content-Encoding", "Upgrade", "Connection", "Expect", " ", "no", ":")
"""Headers after which nobody can say how many answers there should be."""

SPLICES: Final = (
    b"\r\n",
    b"\n",
    b"\x00",
    b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\xff" * 20,
    b"A: " + b"b" * 9000 + b"\r\n",
    b"0\r\n\r\n",
)
BODIES: Final = (
    b"", b"{", b"null", b"[]", b'"x"', b"{}" * 2, b"[" * 50_000, b'{"a":' * 9_000, b"1e400", b"NaN", b"9" * 50_000, b'{"name":"\\ud800"}',
    b'{"name":"\xff"}', b'{"name":1,"name":2}', b"\x1f\x8b\x08\x00junk", b" " * 65_000 + b"{}", b"x" * 70_000,
)  # fmt: skip


class Request(NamedTuple):
    """Bytes to send; `framed`: whether they are one request whatever one thinks of it, so that one answer must come."""

    data: bytes
    framed: bool


class Answer(NamedTuple):
    """A response."""

    status: int
    text: bytes


def make(route: Route, random: Random, pool: Pool, bearer: str) -> Request:
    """A request of this route."""
    wrong = random.random() < 0.45
    target, lines = _target(route, random, pool, wrong=wrong), _lines(route, random, pool, wrong=wrong)
    framed = True
    if wrong and random.random() < 0.3:
        lines.append(random.choice(HEADERS))
        framed = not lines[-1].startswith(UNFRAMED)
    if bearer and random.random() < 0.97:
        lines.append(f"Authorization: Bearer {bearer}")
    body = _body(route, random, pool, wrong=wrong)
    if body is not None:
        lines.append(f"Content-Type: {'application/json' if random.random() < 0.95 else 'text/plain'}")
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"{route.method} {target} HTTP/1.1", "Host: room.example", "Connection: close", *lines, "", ""])
    data = head.encode("utf-8", "replace") + (body or b"")
    return Request(broken(data, random, SPLICES), False) if random.random() < 0.1 else Request(data, framed)


def _target(route: Route, random: Random, pool: Pool, *, wrong: bool) -> str:
    def filled(found: re.Match[str]) -> str:
        known = next(one for one in route.parameters if one.name == found[1])
        return quote(_word(known.kind, known.name, random, pool, wrong=wrong), safe="", errors="replace") or "x"

    path = PARAMETER.sub(filled, route.path)
    query = [one for one in route.parameters if one.where == "query" and random.random() < 0.7]
    if not query:
        return path
    return f"{path}?{urlencode([(one.name, _word(one.kind, one.name, random, pool, wrong=wrong)) for one in query], errors='replace')}"


def _lines(route: Route, random: Random, pool: Pool, *, wrong: bool) -> list[str]:
    declared = [one for one in route.parameters if one.where == "header" and random.random() < 0.3]
    words = {one.name: _word(one.kind, one.name, random, pool, wrong=wrong) for one in declared}
    return [f"{name}: {word}" for name, word in words.items() if word.isascii() and word.isprintable()]


def _word(kind: Any, name: str, random: Random, pool: Pool, *, wrong: bool) -> str:
    return str(hostile(random) if wrong and random.random() < 0.7 else value(ins.type_info(kind), random, pool, name))


def _body(route: Route, random: Random, pool: Pool, *, wrong: bool) -> bytes | None:
    if route.body is None:
        return random.choice(BODIES) if wrong and random.random() < 0.2 else None
    plain = value(ins.type_info(route.body), random, pool)
    if not wrong:
        return json.dumps(plain).encode()
    if random.random() < 0.2:
        return random.choice(BODIES)
    return json.dumps(mutated(plain, random), default=repr, skipkeys=True).encode()


class Asker:
    """Sends one request after the other, each on a connection of its own."""

    def __init__(self, port: int, people: People, pool: Pool, random: Random, ledger: Ledger) -> None:
        self._port = port
        self._people = people
        self._pool = pool
        self._random = random
        self._ledger = ledger

    async def ask(self, route: Route, kind: Kind) -> None:
        """One request of that route."""
        if kind == "admin" and getattr(route.handler, "__name__", "") in ENDINGS:
            kind = "guest"
        bearer = await self._people.token(kind)
        request = make(route, self._random, self._pool, bearer)
        self._ledger.counts["requests"] += 1
        came = await self._exchange(request)
        if came is None:
            self._ledger.fail(f"{route.method} {route.path}: no end of the answer after {BOUND_S:g} s to {_shown(request.data)}")
            return
        found = answers(came)
        for fault in faults(request, found):
            self._ledger.fail(f"{route.method} {route.path} by a {kind}: {fault}, to {_shown(request.data)}: {came[:200]!r}")
        for answer in found:
            self._ledger.counts[f"status {answer.status}"] += 1
            self._learn(answer)
        if any(answer.status == 401 for answer in found) and bearer.encode() in request.data and await self._is_over(bearer):
            await self._people.token(kind, bearer)

    async def _is_over(self, bearer: str) -> bool:
        """Whether the token opens nothing any more."""
        status, _ = await self._people.call("GET", "/v1/me", bearer=bearer) if bearer else (200, None)
        return status != 200

    async def _exchange(self, request: Request) -> bytes | None:
        """All that comes back; None: it does not end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        came = b""
        try:
            writer.write(request.data)
            async with asyncio.timeout(BOUND_S if request.framed else PATIENCE_S):
                while data := await reader.read(2**20):
                    came += data
        except ConnectionError:
            pass  # it was refused before it was sent whole
        except TimeoutError:
            return None if request.framed else came
        finally:
            writer.transport.abort()
        return came

    def _learn(self, answer: Answer) -> None:
        if answer.status not in {200, 201}:
            return
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            body = msgspec.json.decode(answer.text.partition(b"\r\n\r\n")[2])
            if isinstance(body, dict):
                self._learn_from(body)

    def _learn_from(self, body: dict[str, Any]) -> None:
        if "title" in body and "id" in body:
            self._pool.learn("room", body["id"])
            self._pool.learn("room_id", body["id"])
        for name in ("token", "nextCursor", "registration"):
            if body.get(name):
                self._pool.learn("cursor" if name == "nextCursor" else name, body[name])


def _shown(data: bytes) -> str:
    return repr(TOKEN.sub(b"<a token>", data)[:400])


def answers(came: bytes) -> list[Answer]:
    """The responses among the bytes of a connection, without those that only say to go on."""
    starts = [found.start() for found in STATUS.finditer(came)]
    texts = [came[start:end] for start, end in zip(starts, [*starts[1:], len(came)], strict=False)]
    found = [Answer(int(text[9:12]), text) for text in texts]
    return [answer for answer in found if answer.status not in {100, 101}]


def faults(request: Request, found: list[Answer]) -> Iterator[str]:
    """What is wrong with the answers."""
    if request.framed and len(found) != 1:
        yield f"{len(found)} answers"
    for answer in found:
        if answer.status >= 500 and not _is_told(request, answer):
            yield f"status {answer.status}"
        yield from (f"it tells {word!r}" for word in INSIDE if word in answer.text)


def _is_told(request: Request, answer: Answer) -> bool:
    if answer.status == 505:
        return not request.framed
    try:
        problem = msgspec.json.decode(answer.text.partition(b"\r\n\r\n")[2])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return answer.status == 503 and isinstance(problem, dict) and problem.get("name") in TOLD
