"""Commits as tests write them."""

import asyncio

from commonroom.engine.address import slot_of
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.journal.port import Commit, NewEvent, Outcome

__all__ = ["all_committed", "commit", "event", "settle"]


NONE_REFUSED = b"SELECT 0"
EXTENDED = b"\x00\x01\x00\x00\x00\x01\x01C"
"""A row of one column that is true, at its end: `journal_extend` wrote the batch."""


def all_committed(reply: bytes) -> bool:
    """Whether PostgreSQL's answer says that the whole batch stands: for `LossyProxy.cut`."""
    return NONE_REFUSED in reply or EXTENDED in reply


def event(offset: int, dedup: str | None = None, payload: bytes = b"payload") -> NewEvent:
    return NewEvent(offset, 1000 + offset, dedup, payload)


def commit(stream: str, *events: NewEvent, **more: object) -> Commit:
    head = events[-1].offset if events else 0
    return Commit(stream, **{"slot": slot_of(stream), "head": head, "events": events, **more})  # type: ignore[arg-type]


async def settle(journal: PostgresJournal, *commits: Commit) -> list[Outcome]:
    """Append all in one turn; their outcomes in the order they were told."""
    outcomes: list[Outcome] = []
    done = asyncio.Event()

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == len(commits):
            done.set()

    for each in commits:
        journal.append(each, told)
    async with asyncio.timeout(20):
        await done.wait()
    return outcomes
