"""What changes an account, whole or not at all: its password or address with the end of its login sessions and letters.

Whoever changes an account has locked its row, whoever signs in to it holds it still meanwhile (`LoginSessions.begin`):

    change:   lock row ── new password, sessions end ── commit
    sign-in:  ─ ─ ─ ─ ─ ─ ─ ─ waits ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─► looks: not the password that was proven: none begins

So no session begins by what a change has ended, however the two overlap.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from commonroom.identity import SessionId
from commonroom.storage.pool import Database, Queries, Transaction
from commonroom.storage.repository import one_time_token
from commonroom.storage.repository.membership import Memberships
from commonroom.storage.repository.report import Reports
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.user import User, Users

__all__ = ["AccountChange", "account_change"]

GOES_ON = "SELECT true FROM login_session WHERE sid = $1 AND actor_type = 'user' AND actor_id = $2 AND ended_at IS NULL"


class AccountChange(NamedTuple):
    """One account within a transaction.

    Attributes:
        user: as it was when its row was locked.
        users: to change it by.
        within: the transaction.
    """

    user: User
    users: Users
    within: Queries

    async def is_signed_in(self, sid: SessionId) -> bool:
        """Whether this is a login session of theirs that goes on."""
        return bool(await self.within.fetchval(GOES_ON, sid, self.user.id))

    async def set_password(self, password_hash: str) -> None:
        """Letters under way are void: they may be in hands that the new password is to lock out."""
        await self.users.set_password(self.user.id, password_hash)
        await one_time_token.void(self.within, self.user.id)

    async def set_email(self, email: str, email_key: str) -> None:
        """Letters under way are void. Raises Conflict: the address is somebody else's."""
        await self.users.set_email(self.user.id, email, email_key)
        await one_time_token.void(self.within, self.user.id)

    async def delete(self, now: int) -> None:
        """Anonymous at once, nothing signs in to it any more."""
        await self.users.delete(self.user.id, now)
        await Reports(self.within).anonymise(self.user.id)
        await Memberships(self.within).forget(self.user.id)
        await one_time_token.void(self.within, self.user.id)

    async def end_sessions(self, now: int, until: int, but: SessionId | None = None) -> Sequence[SessionId]:
        """End all login sessions but one, as `RevocationStore.add_all`."""
        return await RevokedSessions(self.within).add_all(self.user.id, but, now, until)


@asynccontextmanager
async def account_change(database: Database, user: str) -> AsyncIterator[AccountChange | None]:
    """A transaction that has the account locked; None: there is none. Raises Unavailable: nothing has changed, or it is unknown."""
    async with database.transaction() as connection:
        within = Transaction(connection)
        users = Users(within)
        found = await users.locked(user)
        yield None if found is None else AccountChange(found, users, within)
