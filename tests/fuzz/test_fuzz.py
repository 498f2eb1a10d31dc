"""The attackers of `make fuzz`, for a moment, against a server of their own; and that what they look for would be found."""

from pathlib import Path
from random import Random

import pytest
from msgspec import inspect as ins

from commonroom.codes import CloseCode
from commonroom.http.application import routes
from commonroom.protocol.codec import JSON, MSGPACK, Codec
from commonroom.protocol.wire import Command
from tests.fuzz.command import COMMANDS, Author
from tests.fuzz.ledger import Ledger
from tests.fuzz.run import MOST_GROWTH_BYTES, Budget, Run, State, judge
from tests.fuzz.value import Pool, value
from tests.fuzz.web import Request, answers, faults
from tests.fuzz.wire import ends_badly

CASES = 4
REST = State(pid=1, memory_bytes=10**8, connections=2, tasks=20)


@pytest.mark.process
@pytest.mark.timeout(180)
async def test_a_server_under_attack_answers_everything_and_leaves_nothing_behind(data: Path, own_dsn: str, seed: int) -> None:
    run = Run(seed, data, own_dsn)
    await run.play(Budget(cases=CASES))
    told = "\n".join(run.failures)
    assert not run.failures, f"seed {seed}; for longer: SEED={seed} SECONDS=60 make fuzz\n{told}"
    counts = run.ledger.counts
    assert counts["acks"] > 0
    assert counts["joins"] > 0
    assert counts["requests"] >= len(routes(with_docs=True))
    assert counts["rooms alive"] > 0


@pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])
def test_every_command_can_be_made_right(codec: Codec, seed: int) -> None:
    author = Author(codec, Random(seed), Pool(), "right")
    for name in COMMANDS:
        for _ in range(20):
            assert isinstance(codec.decode(author.encode(author.plain(name))), Command), name


def test_every_route_has_values_for_all_that_it_takes(seed: int) -> None:
    for route in routes(with_docs=True):
        for kind in (route.body, *(parameter.kind for parameter in route.parameters)):
            if kind is not None:
                value(ins.type_info(kind), Random(seed))


def test_the_same_seed_makes_the_same_attack() -> None:
    made = [[author.next() for _ in range(100)] for author in (Author(MSGPACK, Random(7), Pool(), "broken") for _ in range(2))]
    assert made[0] == made[1]
    assert len(set(made[0])) > 50


@pytest.mark.parametrize(
    "after",
    [
        REST._replace(pid=2),
        REST._replace(memory_bytes=REST.memory_bytes + MOST_GROWTH_BYTES + 1),
        REST._replace(connections=3),
        REST._replace(tasks=30),
    ],
)
def test_what_is_left_behind_is_found(after: State) -> None:
    assert len(list(judge(REST, after))) == 1
    assert not list(judge(REST, REST))


PROBLEM = b"HTTP/1.1 %d X\r\nContent-Type: application/problem+json\r\n\r\n%b"


@pytest.mark.parametrize(
    ("came", "count"),
    [
        (PROBLEM % (404, b"{}"), 0),
        (PROBLEM % (503, b'{"name":"RETRY"}'), 0),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + PROBLEM % (200, b"{}"), 0),
        (b"", 1),
        (PROBLEM % (200, b"{}") * 2, 1),
        (PROBLEM % (500, b"{}"), 1),
        (PROBLEM % (503, b"<html>"), 1),
        (PROBLEM % (505, b""), 1),
        (PROBLEM % (400, b'{"detail":"Traceback"}'), 1),
    ],
)
def test_a_wrong_answer_is_found(came: bytes, count: int) -> None:
    assert len(list(faults(Request(b"", framed=True), answers(came)))) == count


@pytest.mark.parametrize(
    ("code", "bad"), [(1000, False), (None, False), (CloseCode.BAD_FRAME, False), (1006, True), (1011, True), (4004, True)]
)
def test_a_socket_that_ends_by_our_own_fault_is_found(code: int | None, bad: bool) -> None:
    assert ends_badly(code) is bad


def test_a_ledger_keeps_the_first_failures_and_counts_all() -> None:
    ledger = Ledger()
    for number in range(100):
        ledger.fail(str(number))
    assert (len(ledger.failures), ledger.counts["failures"]) == (Ledger.MOST_KEPT, 100)
