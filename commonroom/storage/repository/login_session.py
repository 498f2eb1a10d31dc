"""Login sessions: who holds which secret. Only the secret's hash is stored."""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from commonroom.identity import ActorType, Principal, SessionId
from commonroom.ids import new_id, new_secret
from commonroom.storage.pool import Database

__all__ = ["LoginSession", "LoginSessions"]

CREATE = """
INSERT INTO login_session (sid, secret_hash, actor_type, actor_id, name, created_at, last_seen)
VALUES ($1, $2, $3, $4, $5, $6, $6)
"""
# `last_seen` is kept to the hour: a write a request would cost more than it tells.
FIND = """
WITH seen AS (
    UPDATE login_session s SET last_seen = n.ms
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms) n
    WHERE s.secret_hash = $1 AND s.ended_at IS NULL AND s.last_seen < n.ms - 3600000
)
SELECT sid, secret_hash, actor_type, actor_id, name FROM login_session WHERE secret_hash = $1 AND ended_at IS NULL
"""
RENAME = "UPDATE login_session SET name = $2 WHERE sid = $1"
NAMES = "SELECT DISTINCT ON (actor_id) actor_id, name FROM login_session WHERE actor_id = ANY ($1) ORDER BY actor_id, last_seen DESC"


class LoginSession(NamedTuple):
    """A login as the edge knows it."""

    sid: SessionId
    principal: Principal
    name: str


class LoginSessions:
    """The table `login_session`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_guest(self, name: str, now_ms: int) -> tuple[LoginSession, str]:
        """A new guest, whose id is its login session's (FEATURES P1), and its secret: told once, never stored."""
        sid, secret = new_id(now_ms), new_secret()
        kind: ActorType = "guest"
        await self._database.execute(CREATE, sid, _hash(secret), kind, sid, name, now_ms)
        return LoginSession(SessionId(sid), Principal(kind, sid), name), secret

    async def find(self, secret: str) -> LoginSession | None:
        """The login session of a secret, None if there is none or it has ended. It counts as seen now, within the hour."""
        hashed = _hash(secret)
        row = await self._database.fetchrow(FIND, hashed)
        if row is None or not hmac.compare_digest(row["secret_hash"], hashed):
            return None
        return LoginSession(SessionId(row["sid"]), Principal(row["actor_type"], row["actor_id"]), row["name"])

    async def rename(self, sid: SessionId, name: str) -> None:
        """Change the name that people see."""
        await self._database.execute(RENAME, sid, name)

    async def names(self, actor_ids: Iterable[str]) -> dict[str, str]:
        """Names by actor id; who is gone is missing."""
        asked = list(actor_ids)
        if not asked:
            return {}
        return {row["actor_id"]: row["name"] for row in await self._database.fetch(NAMES, asked)}


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "replace")).digest()
