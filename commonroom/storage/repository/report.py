"""What people told us about messages, people and rooms, with a copy of what they saw."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from commonroom.identity import ActorType, Principal
from commonroom.storage.pool import Queries, Record
from commonroom.storage.purge import in_batches

__all__ = ["CopiedMessage", "NewReport", "Outcome", "Report", "ReportKind", "Reports"]

ReportKind = Literal["spam", "abuse", "sexual", "violence", "self-harm", "illegal", "other"]
Outcome = Literal["dismissed", "acted"]

COLUMNS = """id, at, kind, text, reporter_type, reporter_id, thing, room, "offset", subject_type, subject_id, copy,
    resolved_at, resolved_by, outcome, note"""
ADD = """
INSERT INTO report (id, at, kind, text, reporter_type, reporter_id, thing, room, "offset", subject_type, subject_id, copy)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (reporter_id, thing) WHERE resolved_at IS NULL DO NOTHING
"""
KNOWN = "SELECT id FROM report WHERE reporter_id = $1 AND thing = $2 AND resolved_at IS NULL"
OPEN = "SELECT count(*) FROM report WHERE reporter_id = ANY ($1) AND resolved_at IS NULL"
BY_ID = f"SELECT {COLUMNS} FROM report WHERE id = $1"  # noqa: S608 - constants only
FIRST, LAST = "", "z"
"""Below and above all ids."""
ABOUT = f"SELECT {COLUMNS} FROM report WHERE subject_id = ANY ($1) ORDER BY id DESC LIMIT $2"  # noqa: S608
BY = f"SELECT {COLUMNS} FROM report WHERE reporter_id = ANY ($1) ORDER BY id DESC LIMIT $2"  # noqa: S608
RESOLVE = f"""
UPDATE report SET resolved_at = $2, resolved_by = $3, outcome = $4, note = $5 WHERE id = $1 AND resolved_at IS NULL RETURNING {COLUMNS}
"""  # noqa: S608
FORGET_COPIES = """
UPDATE report SET copy = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM report WHERE copy IS NOT NULL AND at < $2 ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED))
"""
FORGET_RESOLVED = """
DELETE FROM report WHERE id = ANY (ARRAY(
    SELECT id FROM report WHERE resolved_at < $2 ORDER BY resolved_at LIMIT $1 FOR UPDATE SKIP LOCKED))
"""
FORGET_UNRESOLVED = """
DELETE FROM report WHERE id = ANY (ARRAY(
    SELECT id FROM report WHERE resolved_at IS NULL AND at < $2 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
"""
# Of somebody whose account is gone the word stays with those it is about, until it is purged.
ANONYMISE = """
UPDATE report SET reporter_type = NULL, reporter_id = NULL WHERE reporter_id = $1 OR reporter_id IN (
    SELECT g.sid FROM login_session g WHERE g.actor_id = $1 AND g.upgraded_at IS NOT NULL)
"""


class CopiedMessage(Struct, frozen=True, array_like=True):
    """A message as the reporter read it."""

    offset: int
    at: int
    author: Principal
    text: str
    edited_at: int | None
    deleted: bool


class NewReport(NamedTuple):
    """What is told.

    Attributes:
        thing: what it is about, the same for the same thing.
        subject: whom it is about.
        copy: None: the thing is no message.
    """

    id: str
    at: int
    kind: ReportKind
    text: str
    reporter: Principal
    thing: str
    room: str | None
    offset: int | None
    subject: Principal
    copy: Sequence[CopiedMessage] | None


class Report(NamedTuple):
    """A report as it stands; see `NewReport`. `reporter` None: the account was deleted. `copy` None: none, or its time is over."""

    id: str
    at: int
    kind: ReportKind
    text: str
    reporter: Principal | None
    thing: str
    room: str | None
    offset: int | None
    subject: Principal
    copy: Sequence[CopiedMessage] | None
    resolved_at: int | None
    resolved_by: str | None
    outcome: Outcome | None
    note: str | None


class Reports:
    """The table `report`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def add(self, new: NewReport) -> str:
        """Store it; its id, or that of an open one by the same person about the same thing."""
        copy = None if new.copy is None else msgspec.msgpack.encode(new.copy)
        reporter, subject = new.reporter, new.subject
        added = await self._database.execute(
            ADD, new.id, new.at, new.kind, new.text, reporter.actor_type, reporter.actor_id, new.thing, new.room, new.offset,
            subject.actor_type, subject.actor_id, copy,
        )  # fmt: skip
        if added == "INSERT 0 1":
            return new.id
        return await self._database.fetchval(KNOWN, reporter.actor_id, new.thing) or new.id

    async def known(self, reporter: Principal, thing: str) -> str | None:
        """The open report of this person about this thing."""
        found: str | None = await self._database.fetchval(KNOWN, reporter.actor_id, thing)
        return found

    async def open_by(self, reporters: Sequence[str]) -> int:
        """How many of theirs are open."""
        number: int = await self._database.fetchval(OPEN, list(reporters))
        return number

    async def get(self, report: str) -> Report | None:
        row = await self._database.fetchrow(BY_ID, report)
        return None if row is None else _report(row)

    async def page(
        self, after: str | None, limit: int, *, is_open: bool, by: ActorType | None = None, oldest: bool = False
    ) -> list[Report]:
        """Open or resolved ones, the latest or the oldest first.

        Args:
            after: only those that follow this id in that order.
            by: only those of users, or of guests. Of accounts that are gone it is not known.
        """
        values = (after or (FIRST if oldest else LAST), limit)
        rows = await self._database.fetch(_page(is_open, by is not None, oldest), *values, *(() if by is None else (by,)))
        return [_report(row) for row in rows]

    async def about(self, subjects: Sequence[str], limit: int) -> list[Report]:
        """Those about a person, the latest first."""
        return [_report(row) for row in await self._database.fetch(ABOUT, list(subjects), limit)]

    async def by(self, reporters: Sequence[str], limit: int) -> list[Report]:
        """Those of a person, the latest first."""
        return [_report(row) for row in await self._database.fetch(BY, list(reporters), limit)]

    async def resolve(self, report: str, by: str, outcome: Outcome, note: str, now: int) -> Report | None:
        """The report as it is then; None: it was resolved before, or there is none."""
        row = await self._database.fetchrow(RESOLVE, report, now, by, outcome, note)
        return None if row is None else _report(row)

    async def anonymise(self, reporter: str) -> None:
        """Forget that this user told us anything, and the guests it was."""
        await self._database.execute(ANONYMISE, reporter)

    async def purge(self, copied_before: int, resolved_before: int, told_before: int) -> None:
        """Forget copies of what was told before the first moment, what was resolved before the second, what is open since the third."""
        await in_batches(self._database, FORGET_COPIES, copied_before)
        await in_batches(self._database, FORGET_RESOLVED, resolved_before)
        await in_batches(self._database, FORGET_UNRESOLVED, told_before)


def _page(is_open: bool, by_kind: bool, oldest: bool) -> str:
    """Each form walks an index in the order that it answers in."""
    which = "resolved_at IS NULL" if is_open else "resolved_at IS NOT NULL"
    whose = "AND reporter_type = $3" if by_kind else ""
    after, order = (">", "ASC") if oldest else ("<", "DESC")
    return f"SELECT {COLUMNS} FROM report WHERE {which} {whose} AND id {after} $1 ORDER BY id {order} LIMIT $2"  # noqa: S608


def _report(row: Record) -> Report:
    reporter = None if row["reporter_id"] is None else Principal(row["reporter_type"], row["reporter_id"])
    copy = None if row["copy"] is None else msgspec.msgpack.decode(row["copy"], type=list[CopiedMessage])
    return Report(
        row["id"], row["at"], row["kind"], row["text"], reporter, row["thing"], row["room"], row["offset"],
        Principal(row["subject_type"], row["subject_id"]), copy, row["resolved_at"], row["resolved_by"], row["outcome"], row["note"],
    )  # fmt: skip
