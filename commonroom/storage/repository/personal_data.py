"""What is kept about one person, for them to take away (FEATURES H1).

No index leads from an author to messages: it would cost 5 µs of PostgreSQL for each message
that is written, of 18. So an export reads the whole table, in the order in which it lies on
disk, half a megabyte a statement; only the person's own rows leave PostgreSQL. A million
messages of 1,000 rooms (240 MB) take 1.2 s of PostgreSQL's CPU. In the order of the primary
key they take 9 s: where many rooms are busy at once each message is on another page, and
from a cold disk each is a read of its own.

A row that changes during the walk may move from where the walk has not been to where it has:
so what was written since its beginning is walked once more.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

from commonroom.identity import Principal
from commonroom.storage.pool import Database, Record

__all__ = ["LinkedMethod", "Login", "OwnInvite", "OwnMembership", "OwnMessage", "OwnRoom", "PersonalData"]

PAGES: Final = 64
"""Pages (8 KiB) of a statement: a few milliseconds of PostgreSQL; if all of it is the person's own, some 2,500 messages come of it."""

ROWS: Final = 1000
"""Of a statement that walks an index."""

METHODS = "SELECT provider, subject, email, linked_at FROM sign_in_method WHERE user_id = $1 ORDER BY linked_at, provider"
LOGINS = """
SELECT sid, agent, created_at, last_seen, upgraded_at, ended_at FROM login_session
WHERE actor_type = $1 AND actor_id = $2 ORDER BY created_at, sid
"""
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'message'::regclass ORDER BY 1"
SIZE = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint"

# The transactions before it are over, so what they wrote is seen by every statement that follows.
BEGINNING = "SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text"
WRITTEN_SINCE = "($4::text IS NULL OR age(xmin) <= age($4::text::xid))"
MESSAGES = f"""
SELECT room, "offset", at, author_type, author_id, coalesce(aside_text, text) AS text, coalesce(aside_at, edited_at) AS edited_at, deleted
FROM %s
WHERE ctid >= $1::tid AND ctid < $2::tid AND author_id = ANY ($3::text[]) AND {WRITTEN_SINCE}
"""  # noqa: S608 - constants, and names of the catalogue
ROOMS = """
SELECT room, kind, title, topic, language, visibility, created_at FROM room
WHERE ctid >= $1::tid AND ctid < $2::tid AND created_by_id = ANY ($3::text[])
"""
MEMBERSHIPS = """
SELECT actor_id, room, at, invite FROM room_member
WHERE actor_id = ANY ($1::text[]) AND (actor_id, room) > ($2, $3) ORDER BY actor_id, room LIMIT $4
"""
INVITES = """
SELECT by_id, digest, room, at, expires_at, uses FROM invite_code
WHERE by_id = ANY ($1::text[]) AND (by_id, digest) > ($2, $3) ORDER BY by_id, digest LIMIT $4
"""


class LinkedMethod(NamedTuple):
    """A provider by which somebody signs in, and who they are to it."""

    provider: str
    subject: str
    email: str | None
    linked_at: int


class Login(NamedTuple):
    """A login session, present or past. Times in cluster ms."""

    sid: str
    agent: str
    created_at: int
    last_seen: int
    upgraded_at: int | None
    ended_at: int | None


class OwnRoom(NamedTuple):
    """A room that they made."""

    room: str
    kind: str
    title: str
    topic: str
    language: str
    visibility: str
    created_at: int


class OwnMessage(NamedTuple):
    """A message that they wrote, as it reads now."""

    room: str
    offset: int
    at: int
    author: Principal
    text: str
    edited_at: int | None
    deleted: bool


class OwnMembership(NamedTuple):
    """A room that they are a member of; `invite`: the one by which they are."""

    room: str
    at: int
    invite: str | None


class OwnInvite(NamedTuple):
    """An invite that they made, as long as its room knows it."""

    room: str
    at: int
    expires_at: int | None
    uses: int | None


class PersonalData:
    """Reads of whatever is about one person. Every method raises Unavailable where the database does not answer.

    No connection is held between two batches. What the projections have not applied yet (a second at most) is missing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def methods(self, user: str) -> list[LinkedMethod]:
        """The providers by which somebody signs in."""
        return [LinkedMethod(*row) for row in await self._database.fetch(METHODS, user)]

    async def logins(self, principal: Principal) -> list[Login]:
        """All login sessions that are still known."""
        return [Login(*row) for row in await self._database.fetch(LOGINS, principal.actor_type, principal.actor_id)]

    async def rooms(self, actors: Sequence[str]) -> AsyncIterator[list[OwnRoom]]:
        """The rooms that these actors made, in batches, some empty."""
        async for rows in self._walk("room", ROOMS, actors):
            yield [OwnRoom(*row) for row in rows]

    async def memberships(self, actors: Sequence[str]) -> AsyncIterator[list[OwnMembership]]:
        """The rooms that these actors are members of, in batches."""
        async for rows in self._follow(MEMBERSHIPS, actors, ""):
            yield [OwnMembership(*row[1:]) for row in rows]

    async def invites(self, actors: Sequence[str]) -> AsyncIterator[list[OwnInvite]]:
        """The invites that these actors made, in batches."""
        async for rows in self._follow(INVITES, actors, b""):
            yield [OwnInvite(*row[2:]) for row in rows]

    async def messages(self, actors: Sequence[str]) -> AsyncIterator[list[OwnMessage]]:
        """The messages that these actors wrote, in no order, in batches, some empty.

        One that is changed while this is under way may come once more, changed; the later one counts.
        """
        beginning: str = await self._database.fetchval(BEGINNING)
        for since in (None, beginning):
            for partition in await self._database.fetch(PARTITIONS):
                async for rows in self._walk(partition[0], MESSAGES % partition[0], actors, since):
                    yield [_message(row) for row in rows]

    async def _follow(self, query: str, actors: Sequence[str], first: str | bytes) -> AsyncIterator[list[Record]]:
        """By an index, whose columns are the first two of each row."""
        place: tuple[Any, Any] = ("", first)
        while rows := await self._database.fetch(query, actors, *place, ROWS):
            yield rows
            place = (rows[-1][0], rows[-1][1])

    async def _walk(self, table: str, query: str, actors: Sequence[str], *values: str | None) -> AsyncIterator[list[Record]]:
        pages: int = await self._database.fetchval(SIZE, table)
        for page in range(0, pages, PAGES):
            yield await self._database.fetch(query, (page, 0), (page + PAGES, 0), actors, *values)


def _message(row: Record) -> OwnMessage:
    author = Principal(row["author_type"], row["author_id"])
    return OwnMessage(row["room"], row["offset"], row["at"], author, row["text"], row["edited_at"], row["deleted"])
