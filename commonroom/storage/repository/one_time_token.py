"""One-time tokens: what a letter carries to prove that its reader has the address.

A link's token (256 bits) and a code of six digits, either of which is used once. Of the token
only its hash is stored; of the code an HMAC by a key of another table, as whoever reads
this one could try all of a million codes. There is one row a purpose and address, so that
a newer letter voids the older (RELIABILITY T14).
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from commonroom.ids import new_code, new_secret
from commonroom.storage.pool import Database, Queries, Record
from commonroom.token import KeyRing

__all__ = ["MAX_TRIES", "TTL_MS", "OneTimeToken", "OneTimeTokens", "void"]

TTL_MS = 15 * 60_000
"""Life of a token: no longer, or a letter found later would still sign in (RELIABILITY T14)."""

MAX_TRIES = 10
"""Codes compared before codes are void for the address until its last letter is over (the links still work): further letters bring no
further tries, or an address were guessed by asking for letters."""

ISSUE = """
INSERT INTO one_time_token (hash, purpose, email_key, code_hash, user_id, payload, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (purpose, email_key) DO UPDATE SET
    hash = excluded.hash, code_hash = excluded.code_hash, user_id = excluded.user_id, payload = excluded.payload,
    created_at = excluded.created_at, expires_at = excluded.expires_at,
    tries = CASE WHEN one_time_token.expires_at > excluded.created_at THEN one_time_token.tries ELSE 0 END
"""
COLUMNS = "purpose, email_key, user_id, payload"

LOOK = f"SELECT {COLUMNS} FROM one_time_token WHERE hash = $1 AND expires_at > $2"  # noqa: S608 - constants

# A second one waits for the row's lock, looks again and finds nothing.
TAKE = f"DELETE FROM one_time_token WHERE hash = $1 AND purpose = ANY ($2) AND expires_at > $3 RETURNING {COLUMNS}"  # noqa: S608 - constants

# Counted and committed before anything is compared: however many guess at once, only so many codes are ever looked at.
COUNT_TRY = """
UPDATE one_time_token SET tries = tries + 1
WHERE email_key = $1 AND purpose = ANY ($2) AND expires_at > $3 AND tries < $4
RETURNING hash, purpose, code_hash
"""
VOID = "DELETE FROM one_time_token WHERE user_id = $1"
PURGE = "WITH gone AS (DELETE FROM one_time_token WHERE expires_at <= $1 RETURNING 1) SELECT count(*) FROM gone"


class OneTimeToken(NamedTuple):
    """What was proven: the reader of `email_key` agrees to `purpose`."""

    purpose: str
    email_key: str
    user_id: str | None
    payload: bytes | None


class OneTimeTokens:
    """The table `one_time_token`.

    Args:
        database: where it is.
        keys: whose keys of purpose `code` are for the codes' HMAC.
    """

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def issue(
        self, purpose: str, email_key: str, *, user_id: str | None, payload: bytes | None, now_ms: int, ttl_ms: int = TTL_MS
    ) -> tuple[str, str]:
        """A new token and code, told once, never stored; the former of this purpose and address is void.

        Where it must not show whether somebody has the address, issue for one that nobody has as well
        (and post no letter): then this call and guesses at the code cost the same for both.

        Args:
            purpose: what it is good for; part of what `take` asks for.
            email_key: the address, as it is compared.
            user_id: whose account it is about, if there is one.
            payload: what is to happen once the address is proven.
            now_ms: cluster time.
            ttl_ms: life.
        """
        token, code = new_secret(), new_code()
        code_hash = _hash_code(self._keys.signing("code").secret, purpose, email_key, code)
        await self._database.execute(ISSUE, _hash(token), purpose, email_key, code_hash, user_id, payload, now_ms, now_ms + ttl_ms)
        return token, code

    async def look(self, token: str, now_ms: int) -> OneTimeToken | None:
        """What a link's token is for; it stays good. None: unknown, used, void or over."""
        row = await self._database.fetchrow(LOOK, _hash(token), now_ms)
        return None if row is None else _taken(row)

    async def take(self, purposes: Sequence[str], token: str, now_ms: int) -> OneTimeToken | None:
        """Use a link's token up. None: unknown, used, void, over, or for another purpose.

        Atomic: of many who use it at once, one gets it.
        """
        row = await self._database.fetchrow(TAKE, _hash(token), purposes, now_ms)
        return None if row is None else _taken(row)

    async def take_by_code(self, purposes: Sequence[str], email_key: str, code: str, now_ms: int) -> OneTimeToken | None:
        """Use a token up by its code. None: as `take`, or a wrong code, or `MAX_TRIES` were made.

        A code that is void leaves its link usable: else whoever knows an address could void its letters.
        """
        for row in await self._database.fetch(COUNT_TRY, email_key, purposes, now_ms, MAX_TRIES):
            hashes = [_hash_code(key.secret, row["purpose"], email_key, code) for key in self._keys.all("code")]
            if any(hmac.compare_digest(row["code_hash"], one) for one in hashes):
                taken = await self._database.fetchrow(TAKE, row["hash"], purposes, now_ms)
                return None if taken is None else _taken(taken)
        return None

    async def purge(self, now_ms: int) -> int:
        """Delete those that are over; how many."""
        count: int = await self._database.fetchval(PURGE, now_ms)
        return count


async def void(database: Queries, user_id: str) -> None:
    """Void all that is about a user: its password or address changed, or the account ended."""
    await database.execute(VOID, user_id)


def _hash_code(key: bytes, purpose: str, email_key: str, code: str) -> bytes:
    """Bound to what it is for; none of the three holds a NUL, as PostgreSQL takes none."""
    return hmac.digest(key, "\0".join((purpose, email_key, code)).encode("utf-8", "replace"), "sha256")


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def _taken(row: Record) -> OneTimeToken:
    return OneTimeToken(row["purpose"], row["email_key"], row["user_id"], row["payload"])
