"""Who says nothing in a room for now: the muted, and in slow mode those who have just spoken."""

from typing import Final

import msgspec
from msgspec import Raw

from commonroom.actors.room.feature import Feature, Room
from commonroom.clock import until_text
from commonroom.errors import CommonroomError, Forbidden, RateLimited
from commonroom.identity import Authority
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["MAX_SPEAKERS", "Speech"]

MAX_SPEAKERS: Final = 1024
"""Remembered at most, the latest. A room's own limit lets 1,000 of them speak in 50 s."""


class Speech(Feature):
    """The feature `speech`. Its part of the snapshot: when whoever still waits, as of the room's last event, last spoke."""

    __slots__ = ("_spoke",)

    name = "speech"
    events = (MessageCreate,)

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._spoke: dict[str, int] = {}

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        info = self.room.info
        if info is None or not info.slow_ms or event.author is None:
            return
        spoke = self._spoke
        spoke.pop(event.author.actor_id, None)
        spoke[event.author.actor_id] = event.at
        if len(spoke) > MAX_SPEAKERS:
            del spoke[next(iter(spoke))]

    def dump(self) -> dict[str, int] | None:
        """By ids, the earliest first."""
        since = self.room.active_at - self.room.known.slow_ms
        return {name: at for name, at in self._spoke.items() if at > since} or None

    def load(self, part: Raw) -> None:
        self._spoke = msgspec.msgpack.decode(part, type=dict[str, int])

    def silences(self, authority: Authority, command: Command, now: int) -> CommonroomError | None:
        room = self.room
        mute = room.mutes.find(room.names(authority), now) if room.mutes else None
        if mute is not None and room.role(authority) != "host":  # it was of a name that nobody knew for the host's
            wait_ms = None if mute.until is None else mute.until - now
            return Forbidden(f"you are muted in this room{until_text(mute.until)}", retry_after_ms=wait_ms)
        slow_ms = (room.info or room.known).slow_ms
        if not slow_ms or not isinstance(command, MessageSend) or room.role(authority) != "participant":
            return None
        wait_ms = max(self._spoke.get(name.actor_id, -slow_ms) for name in room.names(authority)) + slow_ms - now
        if wait_ms <= 0:
            return None
        return RateLimited(f"slow mode: one message every {slow_ms // 1000} s", retry_after_ms=wait_ms)
