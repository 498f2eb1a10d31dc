"""What admins impose on people, with everything that follows: table, login sessions, word to all nodes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from commonroom.account.change import Changes
from commonroom.clock import Clock
from commonroom.engine.notice import Notices
from commonroom.engine.revocation import Ending, Revocations
from commonroom.engine.sanction import MAX_IN_FORCE
from commonroom.errors import Conflict, Forbidden, Invalid, LimitExceeded, NotFound, Unauthenticated
from commonroom.identity import Authority, Principal, SessionId
from commonroom.ids import new_id
from commonroom.storage.pool import Database, Queries, Transaction
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.report import Outcome, Report, Reports
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.sanction import Sanction, SanctionKind, SanctionTable

__all__ = ["LONGEST_MS", "Closing", "Judgement", "Verdict"]

LONGEST_MS: Final = 10 * 365 * 86_400_000
"""What is to last longer has no end."""

NOBODY: Final = "no such person"
NO_GUEST: Final = "no such guest, or gone"


class Verdict(NamedTuple):
    """What is to be imposed on whom; `until` in cluster ms, None: until it is lifted."""

    kind: SanctionKind
    who: Principal
    until: int | None
    reason: str


class Closing(NamedTuple):
    """What came of a report."""

    report: str
    outcome: Outcome
    note: str


class Judgement:
    """Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database, changes: Changes, revocations: Revocations, notices: Notices, clock: Clock) -> None:
        self._database = database
        self._table = SanctionTable(database)
        self._sessions = LoginSessions(database)
        self._changes = changes
        self._revocations = revocations
        self._notices = notices
        self._clock = clock

    async def impose(self, by: Authority, verdict: Verdict) -> Sanction:
        """Durable when this returns; in force on every node within two seconds.

        A guest who became a user is judged as the user.

        Raises:
            Forbidden: it is oneself, or another admin.
            Invalid: it would end before it began, or in ten years.
            NotFound: there is no such person.
            LimitExceeded: `MAX_IN_FORCE` stand already.
        """
        new = await self._drawn_up(by, verdict)
        async with self._holding(by, new.who, "admin.sanction") as (within, ending):
            await _enter(new, within, ending)
        self._notices.tell("sanction", [new.who.actor_id])
        return new

    async def resolve(self, by: Authority, closing: Closing, verdict: Verdict | None = None) -> tuple[Report, Sanction | None]:
        """Close a report, and impose what it led to: both or neither, once, however many admins do so at the same time.

        Raises:
            Conflict: it was resolved before, or there is none.
            Forbidden, Invalid, NotFound, LimitExceeded: as `impose`.
        """
        if verdict is None:
            return await _close(Reports(self._database), by, closing, self._clock.now()), None
        new = await self._drawn_up(by, verdict)
        async with self._holding(by, new.who, "admin.sanction") as (within, ending):
            report = await _close(Reports(within), by, closing, new.at)
            await _enter(new, within, ending)
        self._notices.tell("sanction", [new.who.actor_id])
        return report, new

    async def lift(self, by: Authority, sanction: str) -> Sanction:
        """Raises NotFound: there is none, or it is over."""
        lifted = await self._table.lift(sanction, by.principal.actor_id, self._clock.now())
        if lifted is None:
            raise NotFound("no such sanction in force")
        self._notices.tell("sanction", [lifted.who.actor_id])
        return lifted

    async def end_sessions(self, by: Authority, who: Principal) -> int:
        """End all login sessions of somebody, as a logout does; how many did.

        Raises:
            Forbidden: it is another admin.
            NotFound: there is no such person.
        """
        async with self._holding(by, who, "admin.session.end") as (within, ending):
            await _end_sessions(who, within, ending)
        return len(ending.sids)

    async def _drawn_up(self, by: Authority, verdict: Verdict) -> Sanction:
        now = self._clock.now()
        if verdict.until is not None and not now < verdict.until <= now + LONGEST_MS:
            raise Invalid("it has to end in the future, within ten years", field="$.until")
        if verdict.kind != "ban" and await self._table.count(now, MAX_IN_FORCE) >= MAX_IN_FORCE:
            raise LimitExceeded(f"{MAX_IN_FORCE} mutes and shadows are in force: lift some")
        who = await self._person(verdict.who)
        if by.owns(who):
            raise Forbidden("that is yourself", action="admin.sanction", where=who.actor_id)
        return Sanction(new_id(now), verdict.kind, who, now, verdict.until, verdict.reason, by.principal.actor_id, None, None)

    async def _person(self, who: Principal) -> Principal:
        if who.actor_type == "user":
            return who
        login = await self._sessions.find(SessionId(who.actor_id))
        if login is None:
            raise NotFound(NO_GUEST)
        return login.principal

    @asynccontextmanager
    async def _holding(self, by: Authority, who: Principal, action: str) -> AsyncIterator[tuple[Queries, Ending]]:
        """A transaction that has the person locked: nobody signs in as them, or judges them, before it is through."""
        if who.actor_type == "guest":
            with self._revocations.ending() as ending:
                async with self._database.transaction() as connection:
                    within = Transaction(connection)
                    if not await LoginSessions(within).hold_guest(SessionId(who.actor_id)):
                        raise NotFound(NO_GUEST)
                    yield within, ending
            return
        try:
            async with self._changes.of(who.actor_id) as change:
                if change.user.role == "ADMIN" and not by.owns(who):
                    raise Forbidden("that is an admin", action=action, where=who.actor_id)
                yield change.account.within, change.ending
        except Unauthenticated:
            raise NotFound(NOBODY) from None


async def _close(reports: Reports, by: Authority, closing: Closing, now: int) -> Report:
    resolved = await reports.resolve(closing.report, by.principal.actor_id, closing.outcome, closing.note, now)
    if resolved is None:
        raise Conflict("this report was resolved before")
    return resolved


async def _enter(new: Sanction, within: Queries, ending: Ending) -> None:
    await SanctionTable(within).add(new)
    if new.kind == "ban":
        await _end_sessions(new.who, within, ending)


async def _end_sessions(who: Principal, within: Queries, ending: Ending) -> None:
    ending.sids.extend(await RevokedSessions(within).add_all(who.actor_id, None, ending.now, ending.until))
