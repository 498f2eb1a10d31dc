"""What signing in needs, put together: tokens, login sessions, accounts, letters, providers; and what is purged in time."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import structlog

from commonroom.account.account import Accounts
from commonroom.account.by_letter import ByLetter
from commonroom.account.change import Changes
from commonroom.account.flow import SignInFlows
from commonroom.account.judgement import Judgement
from commonroom.account.login import Logins
from commonroom.account.mail import Mailer
from commonroom.account.password import Passwords
from commonroom.account.provider import Outbound, providers_of
from commonroom.clock import ClusterClock
from commonroom.config.check import is_production
from commonroom.config.settings import Settings
from commonroom.engine.gateway.hidden import key_of
from commonroom.engine.notice import Notices
from commonroom.engine.revocation import Revocations
from commonroom.errors import CommonroomError
from commonroom.identity import Principal
from commonroom.storage.pool import Database
from commonroom.storage.repository.audit import AuditLog
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.old_session import OldSessions
from commonroom.storage.repository.one_time_token import OneTimeTokens
from commonroom.storage.repository.report import Reports
from commonroom.storage.repository.sanction import SanctionTable
from commonroom.storage.repository.spent_token import SpentTokens
from commonroom.storage.repository.user import Users
from commonroom.storage.repository.visit import Visits
from commonroom.tasks import TaskGroup, pause
from commonroom.token import REFRESH_TTL_S, KeyRing, PrincipalTokens, RefreshTokens

__all__ = ["People"]

log = structlog.get_logger(__name__)

PURGE_S = 3600.0
DELETED_MS = 30 * 86_400_000
"""So long a deleted account's row stays: a backup of that time can be told what to delete again."""

AUDITED_MS = 90 * 86_400_000
"""So long the audit is kept."""

REPORTED_MS = 90 * 86_400_000
"""So long the copies of reported messages stay, and reports that were resolved (FEATURES C3)."""

UNRESOLVED_MS = 365 * 86_400_000
"""So long nobody has looked at a report: it is forgotten."""

ENDED_SANCTION_MS = 365 * 86_400_000
"""So long admins see that somebody was sanctioned before."""

ENDED_MS = 3_600_000
"""So long the row of an ended login stays: longer than any token that was minted for it but refresh tokens, which need the row."""


class People:
    """Opened by the node before it listens; what it made is closed with `parts`."""

    def __init__(self, settings: Settings, database: Database, clock: ClusterClock, public_url: Callable[[], str]) -> None:
        self._settings = settings
        self._database = database
        self.clock = clock
        self._public_url = public_url
        self._tasks = TaskGroup(self._crashed)
        self.sessions = LoginSessions(database)
        self.old_sessions = OldSessions(database)
        self.users = Users(database)
        self.audit = AuditLog(database)
        self.sanctions = SanctionTable(database)
        self.reports = Reports(database)
        self.visits = Visits(database)
        self.mailer = Mailer(settings.mail, is_production(settings), clock)
        self.judgement: Judgement
        self.logins: Logins
        self.accounts: Accounts
        self.by_letter: ByLetter
        self.flows: SignInFlows

    def open(self, ring: KeyRing, revocations: Revocations, notices: Notices, parts: AsyncExitStack) -> None:
        """Make the parts. Letters that wait are sent before the database goes."""
        http = self._settings.http
        tokens = (PrincipalTokens("access", ring, self.clock, http.access_token_ttl_s), RefreshTokens(ring, self.clock))
        self.logins = Logins(self.sessions, revocations, tokens, self.clock, http.refresh_grace_s)
        self.logins.on_upgraded = partial(_tell_of_upgrade, notices)
        self.one_time = OneTimeTokens(self._database, ring)
        self.spent = SpentTokens(self._database)
        outbound, passwords = Outbound(), Passwords()
        self.providers = providers_of(self._settings.providers, outbound, self.clock)
        self.flows = SignInFlows(self.providers, self.spent, ring, self.clock)
        changes = Changes(self._database, revocations)
        self.judgement = Judgement(self._database, changes, revocations, notices, self.clock)
        self.by_letter = ByLetter(
            self.users, changes, self.one_time, self.logins, passwords,
            mailer=self.mailer, clock=self.clock, public_url=self._public_url,
        )  # fmt: skip
        self.accounts = Accounts(self.users, changes, self.logins, passwords, self.by_letter, clock=self.clock)
        parts.callback(passwords.close)
        parts.push_async_callback(outbound.close)
        parts.push_async_callback(self.mailer.close)
        parts.push_async_callback(self._tasks.close)
        self._tasks.start("purges", self._purges())

    async def _purges(self) -> None:
        """Every node tries, every hour: what is over is deleted once, whoever comes first."""
        while True:
            await self.purge(self.clock.now())
            await pause(PURGE_S)

    async def purge(self, now: int) -> None:
        """Delete what is over at `now`, cluster ms. What cannot be deleted stops nothing else."""
        for name, purge in self._due(now).items():
            try:
                await purge()
            except CommonroomError as error:
                log.warning("not_purged", what=name, reason=str(error))

    def _due(self, now: int) -> dict[str, Callable[[], Awaitable[object]]]:
        return {
            "one_time_tokens": partial(self.one_time.purge, now),
            "spent_tokens": partial(self.spent.purge, now),
            "login_sessions": partial(self.old_sessions.purge, now - REFRESH_TTL_S * 1000, now - ENDED_MS, now),
            "users": partial(self.users.purge, now - DELETED_MS),
            "visits": partial(self.visits.purge, now),
            "audit": partial(self.audit.purge, now - AUDITED_MS),
            "reports": partial(self.reports.purge, now - REPORTED_MS, now - REPORTED_MS, now - UNRESOLVED_MS),
            "sanctions": partial(self.sanctions.purge, now - ENDED_SANCTION_MS),
        }

    def _crashed(self, name: str, error: BaseException) -> None:
        log.error("purge_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._purges_later())

    async def _purges_later(self) -> None:
        await pause(PURGE_S)
        await self._purges()


def _tell_of_upgrade(notices: Notices, guest: Principal, user: Principal) -> None:
    """Whoever blocked the guest blocked the user, and what was imposed on the one stands against the other."""
    notices.tell("block", [key_of(guest), key_of(user)])
    notices.tell("sanction", [guest.actor_id, user.actor_id])
