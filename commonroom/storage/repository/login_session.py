"""Login sessions: who is signed in where. Of the refresh token that is valid the hash is stored."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from commonroom.clock import until_text
from commonroom.errors import Banned
from commonroom.identity import MAX_GUESTS, ActorType, Authority, Principal, SessionId, guest_part
from commonroom.ids import new_id
from commonroom.storage.pool import Queries, Record, Transaction
from commonroom.storage.repository.revocation import RevokedSessions
from commonroom.storage.repository.sanction import SanctionTable
from commonroom.storage.repository.user import User

__all__ = ["Known", "LoginSession", "LoginSessions", "Rotation", "SignedInAt"]

MAX_AGENT = 200

CREATE = """
INSERT INTO login_session (sid, secret_hash, actor_type, actor_id, name, created_at, last_seen, refreshed_at, agent)
VALUES ($1, $2, $3, $4, $5, $6, $6, $6, $7)
"""
# A user's name and role are the account's; the guests are those that it once was.
PERSON = f"""
SELECT s.sid, s.actor_type, s.actor_id, coalesce(u.display_name, s.name) AS name, coalesce(u.role, 'USER') AS role,
    s.secret_hash, s.refreshed_at,
    CASE WHEN u.id IS NULL THEN '{{}}'::text[] ELSE ARRAY(
        SELECT g.sid FROM login_session g WHERE g.actor_id = s.actor_id AND g.upgraded_at IS NOT NULL
        ORDER BY g.upgraded_at DESC LIMIT {MAX_GUESTS}) END AS guests
FROM login_session s LEFT JOIN app_user u ON s.actor_type = 'user' AND u.id = s.actor_id
WHERE s.sid = $1 AND s.ended_at IS NULL AND (s.actor_type = 'guest' OR u.deleted_at IS NULL AND u.id IS NOT NULL)
"""  # noqa: S608 - a constant only
ROTATE = """
UPDATE login_session SET secret_hash = $3, refreshed_at = $4, last_seen = $4
WHERE sid = $1 AND secret_hash = $2 AND ended_at IS NULL
"""
UPGRADE = """
UPDATE login_session
SET actor_type = 'user', actor_id = $2, upgraded_at = $4, secret_hash = $3, refreshed_at = $4, last_seen = $4
WHERE sid = $1 AND actor_type = 'guest' AND ended_at IS NULL
"""
# Not while the account changes, nor the account while this is under way (`account_change`).
HOLD = """
SELECT true FROM app_user WHERE id = $1 AND deleted_at IS NULL
    AND ($2 OR password_hash IS NOT DISTINCT FROM $3 AND email IS NOT DISTINCT FROM $4) FOR SHARE
"""
RENEW = """
UPDATE login_session SET secret_hash = $2, refreshed_at = $3, last_seen = $3 WHERE sid = $1 AND ended_at IS NULL
"""
HOLD_GUEST = "SELECT true FROM login_session WHERE sid = $1 AND actor_type = 'guest' AND ended_at IS NULL FOR NO KEY UPDATE"
RENAME = "UPDATE login_session SET name = $2 WHERE sid = $1"
# Of a guest the name is its login session's; of one that became a user, the user's.
NAMES = """
SELECT s.sid AS actor_id, coalesce(u.display_name, CASE WHEN s.actor_type = 'guest' THEN s.name ELSE '' END) AS name, u.id AS user_id
FROM login_session s LEFT JOIN app_user u ON s.actor_type = 'user' AND u.id = s.actor_id AND u.deleted_at IS NULL
WHERE s.sid = ANY ($1)
UNION ALL
SELECT id, display_name, id FROM app_user WHERE id = ANY ($1) AND deleted_at IS NULL
"""
SIGNED_IN = """
SELECT sid, agent, created_at, last_seen FROM login_session
WHERE actor_type = $1 AND actor_id = $2 AND ended_at IS NULL ORDER BY last_seen DESC LIMIT 100
"""
OWNS = "SELECT true FROM login_session WHERE sid = $1 AND actor_type = $2 AND actor_id = $3 AND ended_at IS NULL"
BEYOND = """
SELECT sid FROM login_session WHERE actor_type = 'user' AND actor_id = $1 AND ended_at IS NULL AND sid <> $2
ORDER BY last_seen DESC, sid DESC OFFSET $3
"""


class LoginSession(NamedTuple):
    """A login as the edge knows it."""

    sid: SessionId
    principal: Principal
    name: str
    role: Literal["USER", "ADMIN"] = "USER"
    guests: tuple[str, ...] = ()

    def authority(self, expires_at: int) -> Authority:
        """What may be done in its name, until a moment in cluster ms."""
        return Authority(self.principal, self.sid, self.name, expires_at, self.role, guests=self.guests)


class Rotation(NamedTuple):
    """A login session, its refresh token's hash and when that was issued."""

    login: LoginSession
    present: bytes
    refreshed_at: int


class SignedInAt(NamedTuple):
    """A place where somebody is signed in. Times in cluster ms; `last_seen` to the quarter of an hour."""

    sid: SessionId
    agent: str
    created_at: int
    last_seen: int


class Known(NamedTuple):
    """How people see an actor today; `user`: the account it is or became."""

    name: str
    user: str | None


class LoginSessions:
    """The table `login_session`. Moments are cluster ms. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def create_guest(self, name: str, refresh: bytes, agent: str, now: int) -> LoginSession:
        """A new guest, whose id is its login session's (FEATURES P1). `refresh` is the hash of its refresh token."""
        sid = SessionId(new_id(now))
        guest: ActorType = "guest"
        await self._database.execute(CREATE, sid, refresh, guest, sid, name, now, agent[:MAX_AGENT])
        return LoginSession(sid, Principal(guest, sid), name)

    async def begin(
        self, user: str, guest: SessionId | None, refresh: bytes, agent: str, now: int, *, until: int = 0, seen: User | None = None
    ) -> SessionId | None:
        """A login of a user: in the login session of a guest if that is still one, else in a new one.

        Args:
            guest: its tokens are over, its sid stays.
            until: the guest's access and ws tokens are refused so long.
            seen: the account as it was before its password or a letter was proven. None: another proof was given.

        Returns:
            None: there is no such user, or another password or address by now.

        Raises:
            Banned: an admin keeps them out.
        """
        async with self._database.transaction() as connection:
            if not await connection.fetchval(HOLD, user, seen is None, *((seen.password_hash, seen.email) if seen else (None, None))):
                return None
            if (ban := await SanctionTable(Transaction(connection)).ban_of(user, now)) is not None:
                raise Banned(f"this account is banned{until_text(ban.until)}", until=ban.until, reason=ban.reason)
            if guest is not None and await connection.execute(UPGRADE, guest, user, refresh, now) == "UPDATE 1":
                await RevokedSessions(Transaction(connection)).add([guest_part(guest)], now, until)
                return guest
            sid, kind = SessionId(new_id(now)), "user"
            await connection.execute(CREATE, sid, refresh, kind, user, "", now, agent[:MAX_AGENT])
            return sid

    async def find(self, sid: SessionId) -> LoginSession | None:
        """The login session, with the name and role of today; None: there is none, or it has ended."""
        row = await self._database.fetchrow(PERSON, sid)
        return None if row is None else _login(row)

    async def holder(self, sid: SessionId, refresh: bytes) -> LoginSession | None:
        """The login session, if that is its refresh token's hash."""
        row = await self._database.fetchrow(f"{PERSON} AND s.secret_hash = $2", sid, refresh)
        return None if row is None else _login(row)

    async def rotate(self, sid: SessionId, used: bytes, successor: bytes, now: int) -> Rotation | None:
        """Put `successor` in the place of `used`, if that is the valid one; what is so afterwards. None: it has ended."""
        await self._database.execute(ROTATE, sid, used, successor, now)
        row = await self._database.fetchrow(PERSON, sid)
        if row is None:
            return None
        return Rotation(_login(row), row["secret_hash"], row["refreshed_at"] or 0)

    async def renew(self, sid: SessionId, refresh: bytes, now: int) -> bool:
        """Begin its refresh tokens anew. False: it has ended."""
        return await self._database.execute(RENEW, sid, refresh, now) == "UPDATE 1"

    async def hold_guest(self, sid: SessionId) -> bool:
        """Keep a guest as it is until the transaction ends. False: it is none, or none any more."""
        return bool(await self._database.fetchval(HOLD_GUEST, sid))

    async def rename(self, sid: SessionId, name: str) -> None:
        """Change the name that people see of a guest."""
        await self._database.execute(RENAME, sid, name)

    async def names(self, actor_ids: Iterable[str]) -> dict[str, Known]:
        """How actors are seen, by id; who is gone is missing."""
        asked = list(actor_ids)
        if not asked:
            return {}
        return {row["actor_id"]: Known(row["name"], row["user_id"]) for row in await self._database.fetch(NAMES, asked)}

    async def signed_in(self, principal: Principal) -> list[SignedInAt]:
        """Where somebody is signed in, the latest seen first, at most 100."""
        rows = await self._database.fetch(SIGNED_IN, principal.actor_type, principal.actor_id)
        return [SignedInAt(SessionId(row["sid"]), row["agent"], row["created_at"], row["last_seen"]) for row in rows]

    async def belongs(self, sid: SessionId, principal: Principal) -> bool:
        """Whether this is a login session of theirs that has not ended."""
        return bool(await self._database.fetchval(OWNS, sid, principal.actor_type, principal.actor_id))

    async def beyond(self, user: str, present: SessionId, most: int) -> list[SessionId]:
        """Where a user is signed in besides `present` and the `most` latest seen of the others."""
        return [SessionId(row["sid"]) for row in await self._database.fetch(BEYOND, user, present, most)]


def _login(row: Record) -> LoginSession:
    principal = Principal(row["actor_type"], row["actor_id"])
    return LoginSession(SessionId(row["sid"]), principal, row["name"], row["role"], tuple(row["guests"]))
