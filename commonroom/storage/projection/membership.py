"""The projection `membership`: by which code one gets into which room, and who got in for good."""

from collections.abc import Iterable, Sequence

import msgspec

from commonroom.protocol.invite import MEMBERSHIP_EVENTS, InviteCreated, InviteFacts, InviteRevoked, Membership, membership
from commonroom.protocol.registry import tag_of
from commonroom.protocol.wire import DurablePush
from commonroom.storage.pool import Connection
from commonroom.storage.projection.message import room_of
from commonroom.storage.projection.projection import SlotEvent

__all__ = ["MembershipProjection"]

FORGET_CODES = """
DELETE FROM invite_code c USING unnest($1::text[], $2::text[]) AS gone (room, invite) WHERE c.room = gone.room AND c.invite = gone.invite
"""
ADD_CODES = """
INSERT INTO invite_code (digest, room, invite, at, by_type, by_id, expires_at, uses)
SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::integer[])
ON CONFLICT DO NOTHING
"""
FORGET_MEMBERS = """
DELETE FROM room_member m USING unnest($1::text[], $2::text[]) AS gone (room, person) WHERE m.room = gone.room AND m.actor_id = gone.person
"""
ADD_MEMBERS = """
INSERT INTO room_member (room, actor_id, actor_type, at, invite)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])
ON CONFLICT DO NOTHING
"""


class MembershipProjection:
    """Rows of `invite_code` while an invite is known to its room, of `room_member` while somebody is a member."""

    name = "membership"
    wants = frozenset(tag_of(kind) for kind in (InviteCreated, InviteRevoked, *MEMBERSHIP_EVENTS))

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """Four statements a batch at most: of what comes and goes within it only the end counts."""
        changes = _Changes()
        for one in events:
            changes.fold(room_of(one.stream), one.event, one.private)
        await changes.write(connection)


class _Changes:
    """What a batch comes to. None: it is gone, or was for a while."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], tuple[object, ...]] = {}
        self._forgotten_codes: dict[tuple[str, str], None] = {}
        self._members: dict[tuple[str, str], tuple[object, ...]] = {}
        self._forgotten_members: dict[tuple[str, str], None] = {}

    def fold(self, room: str, event: DurablePush, private: bytes | None) -> None:
        match event:
            case InviteCreated():
                facts = _facts(private)
                self._forget_codes(room, facts.forgotten)
                author = (None, None) if event.author is None else (event.author.actor_type, event.author.actor_id)
                key = (room, event.invite)
                self._codes[key] = (facts.digest, *key, event.at, *author, event.expires_at, event.uses)
            case InviteRevoked():
                self._forget_codes(room, [event.invite])
            case _:
                if (change := membership(event)) is not None:
                    self._change_members(room, event.at, change)

    def _forget_codes(self, room: str, invites: Iterable[str]) -> None:
        for invite in invites:
            self._codes.pop((room, invite), None)
            self._forgotten_codes[room, invite] = None

    def _change_members(self, room: str, at: int, change: Membership) -> None:
        for person in change.removed:
            self._members.pop((room, person.actor_id), None)
            self._forgotten_members[room, person.actor_id] = None
        for person in change.added:
            self._members.setdefault((room, person.actor_id), (room, person.actor_id, person.actor_type, at, change.invite))

    async def write(self, connection: Connection) -> None:
        for statement, rows in (
            (FORGET_CODES, list(self._forgotten_codes)),
            (ADD_CODES, list(self._codes.values())),
            (FORGET_MEMBERS, list(self._forgotten_members)),
            (ADD_MEMBERS, list(self._members.values())),
        ):
            if rows:
                await connection.execute(statement, *(list(column) for column in zip(*rows, strict=True)))


def _facts(private: bytes | None) -> InviteFacts:
    """The actor's own part of the private column, the second one of `engine/private.py`'s."""
    if private is None or (facts := msgspec.msgpack.decode(private)[1]) is None:
        raise ValueError("an invite without its digest")
    return msgspec.msgpack.decode(facts, type=InviteFacts)
