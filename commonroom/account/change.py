"""Changes of an account: one transaction each, by a login session that goes on, and all nodes told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from commonroom.engine.revocation import Ending, Revocations
from commonroom.errors import SignInNeeded, Unauthenticated
from commonroom.identity import Authority, SessionId
from commonroom.storage.pool import Database
from commonroom.storage.repository.account_change import AccountChange, account_change
from commonroom.storage.repository.login_session import LoginSessions
from commonroom.storage.repository.user import User, Users

__all__ = ["Change", "Changes"]


class Change(NamedTuple):
    """An account that is being changed; nothing counts before the end of its block."""

    account: AccountChange
    ending: Ending

    @property
    def user(self) -> User:
        """As it was before."""
        return self.account.user

    @property
    def users(self) -> Users:
        """Within the transaction."""
        return self.account.users

    @property
    def sessions(self) -> LoginSessions:
        """Within the transaction."""
        return LoginSessions(self.account.within)

    async def end_sessions(self, but: SessionId | None = None) -> None:
        """End all login sessions of the account but one."""
        self.ending.sids.extend(await self.account.end_sessions(self.ending.now, self.ending.until, but))


class Changes:
    """Where a block raises, nothing has changed. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Database, revocations: Revocations) -> None:
        self._database = database
        self._revocations = revocations

    async def user(self, authority: Authority) -> User:
        """One's own account as it is; nothing stays locked. Raises as `by`."""
        async with self.by(authority) as change:
            return change.user

    @asynccontextmanager
    async def by(self, authority: Authority) -> AsyncIterator[Change]:
        """One's own account. The login session is asked of the database: another node may have ended it a moment ago.

        Raises:
            SignInNeeded: it is a guest.
            Unauthenticated: the login session has ended.
        """
        if authority.principal.actor_type != "user":
            raise SignInNeeded("sign in to unlock this")
        async with self.of(authority.principal.actor_id) as change:
            if not await change.account.is_signed_in(authority.sid):
                raise Unauthenticated("the login session has ended")
            yield change

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[Change]:
        """Anybody's account, by another proof.

        Raises:
            Unauthenticated: it was deleted.
        """
        with self._revocations.ending() as ending:
            async with account_change(self._database, user) as account:
                if account is None:
                    raise Unauthenticated("the account was deleted")
                yield Change(account, ending)
