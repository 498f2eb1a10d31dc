"""Rooms in the list's tables, as projection and owners write them, without actors."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from commonroom.engine.address import slot_of
from commonroom.identity import Principal
from commonroom.ids import new_id
from commonroom.protocol.listing import RoomSummary
from commonroom.protocol.room import RoomCreated, RoomInfo, RoomUpdated
from commonroom.protocol.timer import TimerSettings
from commonroom.protocol.wire import DurablePush
from commonroom.storage.pool import Database
from commonroom.storage.projection.projection import SlotEvent
from commonroom.storage.projection.room import RoomProjection
from commonroom.storage.repository.room_list import RoomList, RoomOfList, Wanted
from commonroom.storage.summary import RoomSummaries, Summary

__all__ = ["ADA", "MINUTE_MS", "Rooms", "summary_of"]

ADA = Principal("user", "ada")
MINUTE_MS = 60_000


def summary_of(room: str, said: RoomSummary) -> Summary:
    return Summary(room, slot_of(f"room/{room}"), said)


class Rooms:
    """All of them have one tag of their own, so that a list of those alone can be read beside other tests."""

    def __init__(self, database: Database, now: int = 1_800_000_000_000) -> None:
        self.tag = new_id(1).lower()[-20:]
        self.now = now
        self.list = RoomList(database)
        self.infos: dict[str, RoomInfo] = {}
        self.epochs = dict.fromkeys(range(1024), 0)
        self.summaries = RoomSummaries(database, lambda slots: {slot: self.epochs[slot] for slot in slots})
        self._database = database

    async def learn_epochs(self) -> None:
        """Whatever was claimed of this database: writes are of its owner."""
        self.epochs = {row["slot_id"]: row["epoch"] for row in await self._database.fetch("SELECT slot_id, epoch FROM slot")}

    async def add(self, room: str = "", **fields: Any) -> str:
        room = room or new_id(self.now)
        tags = [self.tag, *fields.pop("tags", ())]
        info = RoomInfo("study", fields.pop("title", "Room"), "", "en", "public", fields.pop("created_at", self.now), ADA, tags=tags)
        self.infos[room] = replace(info, **fields)
        await self.project(room, RoomCreated(room, 1, info.created_at, ADA, "nonce-0001", self.infos[room], TimerSettings()))
        return room

    async def change(self, room: str, **fields: Any) -> None:
        self.infos[room] = replace(self.infos[room], **fields)
        await self.project(room, RoomUpdated(room, 2, self.now, ADA, "nonce-0002", self.infos[room]))

    async def project(self, room: str, *events: DurablePush) -> None:
        async with self._database.transaction() as connection:
            await RoomProjection().apply(connection, [SlotEvent(f"room/{room}", 1, event) for event in events])

    async def say(
        self, room: str, present: int = 1, *, active_at: int | None = None, at: int | None = None, ends_at: int | None = None
    ) -> Sequence[str]:
        """The room's summary, written at `at`; which rooms of the list that changed."""
        active_at = self.now if active_at is None else active_at
        said = RoomSummary(present, None if ends_at is None else "focus", ends_at, active_at // MINUTE_MS * MINUTE_MS)
        return await self.summaries.write([], [summary_of(room, said)], self.now if at is None else at)

    async def page(self, cursor: str | None = None, limit: int = 100, **wanted: Any) -> tuple[list[RoomOfList], str | None]:
        return await self.list.page(Wanted(**{"tag": self.tag, **wanted}), cursor, limit, self.now)

    async def shown(self, **wanted: Any) -> list[str]:
        return [one.room for one in (await self.page(**wanted))[0]]
