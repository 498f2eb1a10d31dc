"""People with an account, and by what they sign in."""

from typing import Literal, NamedTuple

from commonroom.errors import Conflict
from commonroom.storage.pool import Queries, Record

__all__ = ["Found", "Method", "NewUser", "User", "Users"]

COLUMNS = "id, username, display_name, email, password_hash, role, avatar, status_text, created_at"
CREATE = """
INSERT INTO app_user (id, display_name, search_name, email, email_key, password_hash, role, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (email_key) DO NOTHING
"""
BY_ID = f"SELECT {COLUMNS} FROM app_user WHERE id = $1 AND deleted_at IS NULL"  # noqa: S608 - constants only
LOCK = f"{BY_ID} FOR NO KEY UPDATE"
BY_EMAIL = f"SELECT {COLUMNS} FROM app_user WHERE email_key = $1 AND deleted_at IS NULL"  # noqa: S608
BY_USERNAME = f"SELECT {COLUMNS} FROM app_user WHERE username_key = $1 AND deleted_at IS NULL"  # noqa: S608
BY_METHOD = """
SELECT u.id FROM sign_in_method m JOIN app_user u ON u.id = m.user_id AND u.deleted_at IS NULL WHERE m.provider = $1 AND m.subject = $2
"""
LINK = """
INSERT INTO sign_in_method (provider, subject, user_id, email, linked_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (provider, subject) DO NOTHING
"""
METHODS = "SELECT provider, email, linked_at FROM sign_in_method WHERE user_id = $1 ORDER BY linked_at, provider"
UNLINK = "DELETE FROM sign_in_method WHERE user_id = $1 AND provider = $2"
CLAIM = "UPDATE app_user SET username = $2, username_key = $3 WHERE id = $1 AND deleted_at IS NULL"
PROFILE = """
UPDATE app_user SET display_name = coalesce($2, display_name), search_name = coalesce($3, search_name),
    avatar = coalesce($4, avatar), status_text = coalesce($5, status_text)
WHERE id = $1 AND deleted_at IS NULL
"""
PASSWORD = "UPDATE app_user SET password_hash = $2 WHERE id = $1 AND deleted_at IS NULL"  # noqa: S105 - a statement
EMAIL = "UPDATE app_user SET email = $2, email_key = $3 WHERE id = $1 AND deleted_at IS NULL"
# By ranges of bytes instead of LIKE, whose index condition exists only in plans made for one prefix. Each half walks its index in the
# order of the answer and ends at the limit: who is left out of the second half as being in the first fills a place there.
SEARCH = """
WITH by_username AS (
    SELECT username, display_name, avatar, lower(username) AS folded FROM app_user
    WHERE lower(username) ~>=~ $1 AND lower(username) ~<~ $2 AND username IS NOT NULL AND deleted_at IS NULL
    ORDER BY lower(username) USING ~<~ LIMIT $5
), by_name AS (
    SELECT username, display_name, avatar, lower(username) AS folded, search_name FROM app_user
    WHERE search_name ~>=~ $3 AND search_name ~<~ $4 AND username IS NOT NULL AND deleted_at IS NULL
    ORDER BY search_name USING ~<~, lower(username) USING ~<~ LIMIT $5
)
SELECT username, display_name, avatar FROM (
    SELECT username, display_name, avatar, folded, '' AS search_name FROM by_username
    UNION ALL
    SELECT * FROM by_name n WHERE NOT EXISTS (SELECT FROM by_username u WHERE u.folded = n.folded)
) found ORDER BY search_name USING ~<~, folded USING ~<~ LIMIT $5
"""
DELETE = """
UPDATE app_user SET deleted_at = $2, username = NULL, username_key = NULL, display_name = '', search_name = '',
    email = NULL, email_key = NULL, password_hash = NULL, avatar = '', status_text = ''
WHERE id = $1 AND deleted_at IS NULL
"""
FORGET_METHODS = "DELETE FROM sign_in_method WHERE user_id = $1"
FORGET_BLOCKS = "DELETE FROM block WHERE blocker = $1"
FORGET_VISITS = "DELETE FROM visit WHERE user_id = $1"
FORGET_FAVOURITES = "DELETE FROM favourite WHERE user_id = $1"
FORGET_PREFERENCES = "DELETE FROM preference WHERE user_id = $1"
FORGET_LAST_SEEN = "DELETE FROM last_seen WHERE user_id = $1"
FORGET = (FORGET_METHODS, FORGET_BLOCKS, FORGET_VISITS, FORGET_FAVOURITES, FORGET_PREFERENCES, FORGET_LAST_SEEN)
PURGE_LOGINS = """
DELETE FROM login_session s USING app_user u WHERE s.actor_id = u.id AND s.actor_type = 'user' AND u.deleted_at < $1
"""
PURGE = "DELETE FROM app_user WHERE deleted_at < $1"

TAKEN = "this username is taken"

MAX_CODE_POINT = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)
"""Code points that are no characters: UTF-8 has none for them."""


class NewUser(NamedTuple):
    """An account to make. Its address is confirmed."""

    id: str
    display_name: str
    search_name: str
    email: str | None
    email_key: str | None
    password_hash: str | None = None
    role: Literal["USER", "ADMIN"] = "USER"


class User(NamedTuple):
    """An account. Times in cluster ms."""

    id: str
    username: str | None
    display_name: str
    email: str | None
    password_hash: str | None
    role: Literal["USER", "ADMIN"]
    avatar: str
    status_text: str
    created_at: int


class Method(NamedTuple):
    """A provider by which somebody signs in."""

    provider: str
    email: str | None
    linked_at: int


class Found(NamedTuple):
    """A person as strangers see them."""

    username: str
    display_name: str
    avatar: str


class Users:
    """The tables `app_user` and `sign_in_method`. Every method raises Unavailable where the database does not answer."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def create(self, new: NewUser, now: int, method: tuple[str, str] | None = None) -> bool:
        """Make an account, with `method` (provider, subject) linked to it. False: the address or the method is somebody's already."""
        async with self._database.transaction() as connection:
            values = (new.id, new.display_name, new.search_name, new.email, new.email_key, new.password_hash, new.role, now)
            if await connection.execute(CREATE, *values) != "INSERT 0 1":
                return False
            if method is None or await connection.execute(LINK, *method, new.id, new.email, now) == "INSERT 0 1":
                return True
            await connection.execute("DELETE FROM app_user WHERE id = $1", new.id)
            return False

    async def by_id(self, user: str) -> User | None:
        return await self._one(BY_ID, user)

    async def locked(self, user: str) -> User | None:
        """As `by_id`; nobody else changes the account, and nobody signs in to it, until the transaction ends."""
        return await self._one(LOCK, user)

    async def by_email(self, email_key: str) -> User | None:
        return await self._one(BY_EMAIL, email_key)

    async def by_username(self, username_key: str) -> User | None:
        return await self._one(BY_USERNAME, username_key)

    async def by_method(self, provider: str, subject: str) -> str | None:
        """The user whom this provider knows by that subject."""
        found: str | None = await self._database.fetchval(BY_METHOD, provider, subject)
        return found

    async def link(self, user: str, provider: str, subject: str, email: str | None, now: int) -> bool:
        """Let somebody sign in by a provider too. False: that account there is linked already, to whomever."""
        return await self._database.execute(LINK, provider, subject, user, email, now) == "INSERT 0 1"

    async def methods(self, user: str) -> list[Method]:
        """The providers by which somebody signs in."""
        return [Method(row["provider"], row["email"], row["linked_at"]) for row in await self._database.fetch(METHODS, user)]

    async def unlink(self, user: str, provider: str) -> None:
        """Take a provider away."""
        await self._database.execute(UNLINK, user, provider)

    async def claim_username(self, user: str, username: str, key: str) -> None:
        """Raises Conflict: somebody has it, or one that looks alike."""
        try:
            await self._database.execute(CLAIM, user, username, key)
        except Conflict:
            raise Conflict(TAKEN) from None

    async def change_profile(
        self, user: str, *, name: tuple[str, str] | None = None, avatar: str | None = None, status_text: str | None = None
    ) -> None:
        """Change what is not None; `name` is (as shown, as searched)."""
        shown, searched = name or (None, None)
        await self._database.execute(PROFILE, user, shown, searched, avatar, status_text)

    async def set_password(self, user: str, password_hash: str) -> None:
        await self._database.execute(PASSWORD, user, password_hash)

    async def replace_password(self, user: str, before: str, after: str) -> None:
        """As `set_password`, unless it was changed meanwhile."""
        await self._database.execute(f"{PASSWORD} AND password_hash = $3", user, after, before)

    async def set_email(self, user: str, email: str, email_key: str) -> None:
        """Raises Conflict: the address is somebody else's."""
        try:
            await self._database.execute(EMAIL, user, email, email_key)
        except Conflict:
            raise Conflict("this address belongs to another account") from None

    async def search(self, username_prefix: str, name_prefix: str, limit: int) -> list[Found]:
        """People whose username or name begins like that; both prefixes are folded and not empty.

        First whose username it is, then by username, then by name. Reads about `limit` rows for each, however many begin so.
        """
        username_range = username_prefix, _successor(username_prefix)
        rows = await self._database.fetch(SEARCH, *username_range, name_prefix, _successor(name_prefix), limit)
        return [Found(row["username"], row["display_name"], row["avatar"]) for row in rows]

    async def delete(self, user: str, now: int) -> bool:
        """Anonymise an account at once; `purge` removes what is left of it. False: there is none."""
        async with self._database.transaction() as connection:
            for forget in FORGET:
                await connection.execute(forget, user)
            return await connection.execute(DELETE, user, now) == "UPDATE 1"

    async def purge(self, deleted_before: int) -> None:
        """Remove accounts that were deleted before then, and their login sessions."""
        async with self._database.transaction() as connection:
            await connection.execute(PURGE_LOGINS, deleted_before)
            await connection.execute(PURGE, deleted_before)

    async def _one(self, query: str, value: str) -> User | None:
        row = await self._database.fetchrow(query, value)
        return None if row is None else _user(row)


def _user(row: Record) -> User:
    return User(
        row["id"], row["username"], row["display_name"], row["email"], row["password_hash"],
        row["role"], row["avatar"], row["status_text"], row["created_at"],
    )  # fmt: skip


def _successor(prefix: str) -> str:
    """The least string above all that begin with `prefix`, by code points, which is the order of UTF-8's bytes too."""
    if (last := ord(prefix[-1])) < MAX_CODE_POINT:
        return prefix[:-1] + chr(last + 1 if last + 1 not in SURROGATES else SURROGATES.stop)
    return prefix + prefix[-1]  # no name has this character: nothing begins like that
