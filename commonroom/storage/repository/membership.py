"""Who is a member of which room, and which room a code opens: from the projection `membership`."""

from collections.abc import Collection
from typing import NamedTuple

from commonroom.errors import Invalid
from commonroom.identity import Principal
from commonroom.storage.pool import Queries

__all__ = ["Memberships", "RoomMember"]

ROOM_OF = "SELECT room FROM invite_code WHERE digest = $1"
PAGE = """
SELECT actor_type, actor_id, at, invite FROM room_member
WHERE room = $1 AND (at, actor_id) > ($2, $3) AND actor_id <> ALL ($5::text[]) ORDER BY at, actor_id LIMIT $4
"""
PERSON = "SELECT $1::text UNION ALL SELECT sid FROM login_session WHERE actor_id = $1 AND upgraded_at IS NOT NULL"
FORGET = f"DELETE FROM room_member WHERE actor_id IN ({PERSON})"  # noqa: S608 - constants only
ANONYMISE = f"UPDATE invite_code SET by_type = NULL, by_id = NULL WHERE by_id IN ({PERSON})"  # noqa: S608

BEGINNING = (0, "")


class RoomMember(NamedTuple):
    """Somebody who got into a room for good; `invite` None: not by one."""

    principal: Principal
    at: int
    invite: str | None


class Memberships:
    """The tables `invite_code` and `room_member`, a second behind at most.

    Every method raises Unavailable where the database does not answer.
    """

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def room_of(self, digest: bytes) -> str | None:
        """The room that may know the code of this digest."""
        room: str | None = await self._database.fetchval(ROOM_OF, digest)
        return room

    async def page(self, room: str, cursor: str | None, limit: int, hidden: Collection[str] = ()) -> tuple[list[RoomMember], str | None]:
        """Members of a room, those of longest standing first, and the next page's cursor (None: there is no more).

        Args:
            hidden: ids of those whom the reader does not see; left out here, as a cursor names somebody.

        Raises:
            Invalid: the cursor is not one of ours.
        """
        place = BEGINNING if cursor is None else _place(cursor)
        rows = await self._database.fetch(PAGE, room, *place, limit + 1, list(hidden))
        members = [RoomMember(Principal(row["actor_type"], row["actor_id"]), row["at"], row["invite"]) for row in rows[:limit]]
        if len(rows) <= limit or not members:
            return members, None
        return members, f"{members[-1].at}.{members[-1].principal.actor_id}"

    async def forget(self, user: str) -> None:
        """A user, with the guests it was, is in no list of members and made no invite any more."""
        await self._database.execute(FORGET, user)
        await self._database.execute(ANONYMISE, user)


def _place(cursor: str) -> tuple[int, str]:
    at, dot, person = cursor.partition(".")
    if not dot or not at.isascii() or not at.isdigit() or len(at) > 16 or not person.isprintable():
        raise Invalid("cursor is not one of ours", field="cursor")
    return int(at), person
