"""The kit's journal and the real one answer the same calls alike; this keeps the kit honest."""

import asyncio
from random import Random

from msgspec import UNSET

from commonroom.engine.address import slot_of
from commonroom.engine.testing import SimulatedJournal
from commonroom.ids import new_id, seeded
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import Commit, Journal, NewEvent, Outcome, Rewrite

TURNS = 150
STREAMS = 3


def turn_of(rng: Random, prefix: str, simulated: SimulatedJournal) -> list[Commit]:
    """Some commits: mostly right, some with a hole, an old offset or a known key."""
    heads = {f"{prefix}{number}": 0 for number in range(STREAMS)}
    heads |= {name: stream.head for name, stream in simulated.streams.items()}
    commits = []
    for _ in range(rng.randrange(1, 6)):
        stream = rng.choice(list(heads))
        commits.append(_commit(rng, stream, heads[stream]))
        heads[stream] = commits[-1].head
    return commits


def _commit(rng: Random, stream: str, head: int) -> Commit:
    first = max(1, head + 1 + rng.choice((0,) * 12 + (1, -1)))
    keys = [f"c:s:{rng.randrange(400)}" if rng.random() < 0.3 else f"c:s:{rng.random()}", None, None]
    events = tuple(NewEvent(first + nth, 1, keys[nth], rng.randbytes(8)) for nth in range(rng.randrange(1, 4)))
    snapshot = rng.randbytes(4) if rng.random() < 0.2 else None
    due = rng.choice((UNSET, None, rng.randrange(1000)))
    rewrites = (Rewrite(1, b"clean"),) if head > 3 and rng.random() < 0.1 else ()
    return Commit(stream, slot_of(stream), events[-1].offset, events, snapshot, due, rewrites)


async def play(journal: Journal, commits: list[Commit]) -> list[tuple[int, Outcome]]:
    """The outcomes of one turn by the number of their commit; order holds within a stream only."""
    told: list[tuple[int, Outcome]] = []
    for number, commit in enumerate(commits):
        journal.append(commit, lambda outcome, number=number: told.append((number, outcome)))  # type: ignore[misc]
    async with asyncio.timeout(20):
        while len(told) < len(commits):
            await asyncio.sleep(0)
    return sorted(told, key=lambda row: row[0])


async def test_the_same_calls_have_the_same_outcomes(journal: PostgresJournal, seed: int) -> None:
    rng, prefix = Random(seed), f"room/{new_id(1)}"
    simulated = SimulatedJournal(seeded(seed))
    kinds = set()
    for _ in range(TURNS):
        commits = turn_of(rng, prefix, simulated)
        real = await play(journal, commits)
        assert await play(simulated, commits) == real, f"seed {seed}: {commits}"
        kinds |= {type(outcome).__name__ for _, outcome in real}
    assert kinds == {"Committed", "Conflicted", "Duplicate"}, f"seed {seed} is too tame"
    for number in range(STREAMS):
        stream = f"{prefix}{number}"
        assert await _state(simulated, stream) == await _state(journal, stream), f"seed {seed}"


async def _state(journal: Journal, stream: str) -> object:
    stored = await journal.load(stream, slot_of(stream))
    tail = [tuple(event) for event in stored.tail]
    events = [tuple(event) for event in await journal.read(stream, 0, 10_000)]
    return stored.head, stored.snapshot_offset, stored.snapshot, stored.next_due, tail, list(stored.recent_keys), events
