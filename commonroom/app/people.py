"""What signing in needs, put together: tokens, login sessions, accounts, letters, providers; and what is purged in time."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from commonroom.account.account import Accounts
from commonroom.account.by_letter import ByLetter
from commonroom.account.change import Changes
from commonroom.account.flow import SignInFlows
from commonroom.account.login import Logins
from commonroom.account.mail import Mailer
from commonroom.account.password import Passwords
from commonroom.account.provider import Outbound, providers_of
from commonroom.clock import ClusterClock
from commonroom.config.check import is_production
from commonroom.config.settings import Settings
from commonroom.engine.revocation import Revocations
from commonroom.errors import Unavailable
from commonroom.storage.pool import Database
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.old_session import OldSessions
from commonroom.storage.repository.one_time_token import OneTimeTokens
from commonroom.storage.repository.spent_token import SpentTokens
from commonroom.storage.repository.user import Users
from commonroom.tasks import TaskGroup, pause
from commonroom.token import REFRESH_TTL_S, KeyRing, PrincipalTokens, RefreshTokens

__all__ = ["People"]

log = structlog.get_logger(__name__)

PURGE_S = 3600.0
DELETED_MS = 30 * 86_400_000
"""So long a deleted account's row stays: a backup of that time can be told what to delete again."""

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
        self.mailer = Mailer(settings.mail, is_production(settings), clock)
        self.logins: Logins
        self.accounts: Accounts
        self.by_letter: ByLetter
        self.flows: SignInFlows

    def open(self, ring: KeyRing, revocations: Revocations, parts: AsyncExitStack) -> None:
        """Make the parts. Letters that wait are sent before the database goes."""
        http = self._settings.http
        tokens = (PrincipalTokens("access", ring, self.clock, http.access_token_ttl_s), RefreshTokens(ring, self.clock))
        self.logins = Logins(self.sessions, revocations, tokens, self.clock, http.refresh_grace_s)
        self.one_time = OneTimeTokens(self._database, ring)
        self.spent = SpentTokens(self._database)
        outbound, passwords = Outbound(), Passwords()
        self.providers = providers_of(self._settings.providers, outbound, self.clock)
        self.flows = SignInFlows(self.providers, self.spent, ring, self.clock)
        changes = Changes(self._database, revocations)
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
            now = self.clock.now()
            try:
                await self.one_time.purge(now)
                await self.spent.purge(now)
                await self.old_sessions.purge(now - REFRESH_TTL_S * 1000, now - ENDED_MS, now)
                await self.users.purge(now - DELETED_MS)
            except Unavailable as error:
                log.warning("not_purged", reason=str(error))
            await pause(PURGE_S)

    def _crashed(self, name: str, error: BaseException) -> None:
        log.error("purge_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._purges_later())

    async def _purges_later(self) -> None:
        await pause(PURGE_S)
        await self._purges()
