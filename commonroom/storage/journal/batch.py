"""Commits on their way to the database: the arguments of one `journal_extend` or `journal_append` call."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from commonroom.storage.journal.port import Commit, Committed, Conflicted, Duplicate, Failed, Fenced, Outcome, Settle
from commonroom.storage.pool import Record

__all__ = ["APPEND", "EXTEND", "Entry", "arguments", "extension", "outcomes"]

APPEND = "SELECT * FROM journal_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
EXTEND = "SELECT journal_extend($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"

FENCED, DUPLICATE, CONFLICTED = 2, 3, 4
"""Verdicts of `journal_judge`."""


class Entry(NamedTuple):
    """A queued commit. `first_pos` is the slot position of its first event."""

    commit: Commit
    epoch: int
    first_pos: int
    settle: Settle

    @property
    def rows(self) -> int:
        """Its share of a batch: an actor's row is one too."""
        return len(self.commit.events) + len(self.commit.rewrites) + 1

    @property
    def last_pos(self) -> int:
        """The slot position of its last event; one before `first_pos` where it has none."""
        return self.first_pos + len(self.commit.events) - 1


def size_bytes(commit: Commit) -> int:
    """What a commit carries, about."""
    events = sum(len(event.payload) + len(event.private or b"") for event in commit.events)
    return events + len(commit.snapshot or b"") + sum(len(rewrite.payload) for rewrite in commit.rewrites)


class _Extension:
    """What a batch's commits to one stream come to together."""

    __slots__ = ("base", "commit", "due", "epoch", "head", "snapshot", "snapshot_offset")

    def __init__(self, entry: Entry) -> None:
        self.commit = commit = entry.commit
        self.epoch = entry.epoch
        self.base = self.head = commit.head - len(commit.events)
        self.snapshot: bytes | None = None
        self.snapshot_offset = 0
        self.due: int | None | UnsetType = UNSET

    def take(self, entry: Entry) -> bool:
        """Add the next commit; False where it does not go on where the last one ended."""
        commit = entry.commit
        if commit.head - len(commit.events) != self.head or entry.epoch != self.epoch or commit.rewrites:
            return False
        self.head = commit.head
        if commit.snapshot is not None:
            self.snapshot, self.snapshot_offset = commit.snapshot, commit.head
        if commit.next_due is not UNSET:
            self.due = commit.next_due
        return True

    def row(self) -> tuple[Any, ...]:
        commit, due = self.commit, self.due
        known = due is not UNSET
        return (
            commit.stream, commit.slot, self.epoch, self.base, self.head,
            self.snapshot_offset, self.snapshot, due if known else None, known,
        )  # fmt: skip


def extension(entries: Sequence[Entry]) -> list[list[Any]] | None:
    """The columns of a `journal_extend` call; None where the batch is none: it rewrites, or has a hole."""
    numbers: dict[str, int] = {}
    streams: list[_Extension] = []
    events: list[tuple[Any, ...]] = []
    for entry in entries:
        number = numbers.setdefault(entry.commit.stream, len(streams))
        if number == len(streams):
            streams.append(_Extension(entry))
        if not streams[number].take(entry):
            return None
        position = entry.first_pos
        for event in entry.commit.events:
            events.append((number + 1, event.offset, position, event.at, event.dedup, event.payload, event.private))
            position += 1
    return [*_columns([stream.row() for stream in streams], 9), *_columns(events, 7)]


def arguments(entries: Sequence[Entry]) -> list[list[Any]]:
    """The columns of a `journal_append` call. Commits are numbered from 1, as arrays of SQL are."""
    commits = [entry.commit for entry in entries]
    events = [
        (number, event.offset, entry.first_pos + nth, event.at, event.dedup, event.payload, event.private)
        for number, entry in enumerate(entries, 1)
        for nth, event in enumerate(entry.commit.events)
    ]
    rewrites = [(number, each.offset, each.payload) for number, commit in enumerate(commits, 1) for each in commit.rewrites]
    return [
        [commit.stream for commit in commits],
        [commit.slot for commit in commits],
        [entry.epoch for entry in entries],
        [commit.head for commit in commits],
        [len(commit.events) for commit in commits],
        [commit.snapshot for commit in commits],
        [None if commit.next_due is UNSET else commit.next_due for commit in commits],
        [commit.next_due is not UNSET for commit in commits],
        *_columns(events, 7),
        *_columns(rewrites, 3),
    ]


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def outcomes(entries: Sequence[Entry], refused: Iterable[Record]) -> list[Outcome]:
    """One outcome a commit, from the rows of refused ones."""
    found: list[Outcome] = [Committed()] * len(entries)
    for row in refused:
        found[row["i"] - 1] = _outcome(row["verdict"], row["number"], row["key"])
    return found


def _outcome(verdict: int, number: int, key: str | None) -> Outcome:
    if verdict == FENCED:
        return Fenced(number)
    if verdict == DUPLICATE and key is not None:
        return Duplicate(key, number)
    if verdict == CONFLICTED:
        return Conflicted(number)
    return Failed(f"unknown verdict {verdict}")
