"""Login sessions that nobody needs any more."""

from commonroom.storage.pool import Database
from commonroom.storage.purge import in_batches

__all__ = ["OldSessions"]

# What another node deletes just now is left to it. The conditions are those of partial indexes.
FORGET_IDLE = """
DELETE FROM login_session WHERE sid = ANY (ARRAY(
    SELECT sid FROM login_session WHERE last_seen < $2 AND upgraded_at IS NULL LIMIT $1 FOR UPDATE SKIP LOCKED))
"""
FORGET_ENDED = """
DELETE FROM login_session WHERE sid = ANY (ARRAY(
    SELECT sid FROM login_session WHERE ended_at < $2 AND actor_type = 'user' AND upgraded_at IS NULL
    LIMIT $1 FOR UPDATE SKIP LOCKED))
"""
END_IDLE = """
UPDATE login_session SET ended_at = $3, agent = '' WHERE sid = ANY (ARRAY(
    SELECT sid FROM login_session WHERE last_seen < $2 AND upgraded_at IS NOT NULL AND ended_at IS NULL
    LIMIT $1 FOR UPDATE SKIP LOCKED))
"""


class OldSessions:
    """Purges the table `login_session`, in batches. Any number of nodes may do so at once.

    A row that was a guest's and became a user's is never deleted here: it says whose the guest's
    messages are, and goes with the account. A guest's own row holds the name that its messages
    show, also after a logout: it goes when the guest has not been seen for long.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def purge(self, idle_since: int, ended_before: int, now: int) -> None:
        """Forget what was not seen since `idle_since`, and logins of users that ended before `ended_before`; cluster ms.

        Args:
            idle_since: so long ago that the last refresh token is over; then so are all others, and no socket is left.
            ended_before: so long ago that no access or ws token is left that must be refused.

        Raises:
            Unavailable: the database does not answer; what was done stays done.
        """
        await in_batches(self._database, FORGET_IDLE, idle_since)
        await in_batches(self._database, FORGET_ENDED, ended_before)
        await in_batches(self._database, END_IDLE, idle_since, now)
