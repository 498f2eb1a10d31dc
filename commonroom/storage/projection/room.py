"""The projection `room`: what lists show, and by what rooms are found."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from commonroom.identity import Principal
from commonroom.protocol.moderation import RoomModerated
from commonroom.protocol.registry import tag_of
from commonroom.protocol.room import RoomCreated, RoomInfo, RoomUpdated
from commonroom.protocol.wire import DurablePush
from commonroom.search import words_of
from commonroom.storage.pool import Connection
from commonroom.storage.projection.message import room_of
from commonroom.storage.projection.projection import SlotEvent

__all__ = ["RoomProjection", "found_by"]

# A room ranks by its creation until somebody is active in it.
WRITE = """
INSERT INTO room AS r (
    room, kind, title, topic, language, visibility, created_at, created_by_type, created_by_id,
    tags, size_limit, theme, timer_policy, slow_ms, locked, host_type, host_id, archived_at, words, rank_at, rank_before)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, array_to_tsvector($19::text[]), $7, $7)
ON CONFLICT (room) DO UPDATE SET
    title = excluded.title, topic = excluded.topic, language = excluded.language, visibility = excluded.visibility, tags = excluded.tags,
    size_limit = excluded.size_limit, theme = excluded.theme, timer_policy = excluded.timer_policy, slow_ms = excluded.slow_ms,
    locked = excluded.locked, host_type = excluded.host_type, host_id = excluded.host_id, archived_at = excluded.archived_at,
    words = excluded.words
"""
HAND_OVER = "UPDATE room SET host_type = $2, host_id = $3 WHERE room = $1"


class RoomProjection:
    """A row for each room, as its latest event has it.

    Args:
        on_changed: called with rooms that are others now, after they were committed.
    """

    name = "room"
    wants = frozenset({tag_of(RoomCreated), tag_of(RoomUpdated), tag_of(RoomModerated)})

    def __init__(self, on_changed: Callable[[Sequence[str]], None] | None = None) -> None:
        self._on_changed = on_changed

    async def apply(self, connection: Connection, events: Sequence[SlotEvent]) -> None:
        """Of what happens to a room in one batch only the end is written."""
        latest = _Latest()
        for one in events:
            latest.fold(room_of(one.stream), one.event)
        await latest.write(connection)

    def applied(self, events: Sequence[SlotEvent]) -> None:
        """See `Telling`."""
        changed = list(dict.fromkeys(room_of(one.stream) for one in events if isinstance(one.event, RoomUpdated)))
        if changed and self._on_changed is not None:
            self._on_changed(changed)


class _Latest:
    """What a batch comes to, by room."""

    def __init__(self) -> None:
        self._infos: dict[str, RoomInfo] = {}
        self._hosts: dict[str, Principal] = {}

    def fold(self, room: str, event: DurablePush) -> None:
        match event:
            case RoomCreated() | RoomUpdated():
                self._infos[room] = event.info
                self._hosts.pop(room, None)
            case RoomModerated() if event.role == "host":
                if (info := self._infos.get(room)) is None:
                    self._hosts[room] = event.person
                else:
                    self._infos[room] = replace(info, host=event.person)

    async def write(self, connection: Connection) -> None:
        if self._infos:
            await connection.executemany(WRITE, [_row(room, info) for room, info in self._infos.items()])
        if self._hosts:
            await connection.executemany(HAND_OVER, [(room, host.actor_type, host.actor_id) for room, host in self._hosts.items()])


def found_by(title: str, topic: str, tags: Sequence[str]) -> list[str]:
    """The words by which a room is found."""
    return words_of(" ".join((title, *tags, topic)))


def _row(room: str, info: RoomInfo) -> tuple[object, ...]:
    creator, host = info.created_by, info.host
    return (
        room, info.kind, info.title, info.topic, info.language, info.visibility, info.created_at, creator.actor_type, creator.actor_id,
        info.tags, info.size_limit, info.theme, info.timer_policy, info.slow_ms, info.locked,
        None if host is None else host.actor_type, None if host is None else host.actor_id, info.archived_at,
        found_by(info.title, info.topic, info.tags),
    )  # fmt: skip
