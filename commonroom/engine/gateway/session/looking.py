"""The part of a session that is about other things than one room: the list, users' status, and who is hidden from it."""

from abc import abstractmethod

from commonroom.engine.gateway.connection import Connection
from commonroom.engine.gateway.fanout import Subscription
from commonroom.engine.gateway.hidden import Sight
from commonroom.engine.gateway.listing import Told
from commonroom.engine.gateway.session.lobby import Lobby
from commonroom.engine.gateway.session.parking import Parking
from commonroom.engine.trace import Trace
from commonroom.errors import CommonroomError, RateLimited
from commonroom.identity import Principal
from commonroom.protocol.codec import Codec
from commonroom.protocol.listing import ListingWatch
from commonroom.protocol.session import Reply
from commonroom.protocol.status import StatusSet, StatusUpdate, StatusWatch
from commonroom.protocol.user import UserPlace

__all__ = ["Looking"]


class Looking(Parking):
    """Implements `Viewer` (of the list, and of status), `Device` and `Watcher`."""

    __slots__ = ("_looks_tat_us", "_rooms", "_sight", "idle")

    def __init__(self, lobby: Lobby, connection: Connection, codec: Codec) -> None:
        super().__init__(lobby, connection, codec)
        self.idle = False
        self._rooms: dict[str, Subscription] = {}
        self._sight: Sight | None = None
        self._looks_tat_us = 0
        """Of `limit.STATUS_LOOKS`, see `commonroom.limit.gcra`."""

    @abstractmethod
    def trace(self) -> Trace:
        """See `Watcher`."""

    @property
    def hidden(self) -> frozenset[Principal] | None:
        """Whom the client does not see; None: not known yet."""
        return None if self._sight is None else self._sight.hidden

    # What the client asks for.

    def _look(self, command: ListingWatch | StatusWatch | StatusSet) -> None:
        """What is of no room."""
        if isinstance(command, StatusSet):
            self._set_status(command)
            return
        if isinstance(command, ListingWatch):
            self._lobby.listings.watch(self, self.principal, command.rooms)
        else:
            self._take_look()
            self._lobby.statuses.watch(self, command.users)
        self.replied(command.ref, Reply(command.ref))

    def _take_look(self) -> None:
        around = self._lobby.around
        if (rate := around.looks) is None:
            return
        now_us = int(around.monotonic() * 1_000_000)
        if (wait_us := rate.wait_us(self._looks_tat_us, now_us)) > 0:
            raise RateLimited("that was too much at once: wait a little", retry_after_ms=-(-wait_us // 1000))
        self._looks_tat_us = rate.after(self._looks_tat_us, now_us)

    def _set_status(self, command: StatusSet) -> None:
        """How this device is, at once; what its user chose, once that is kept."""
        self.idle = command.idle
        self._lobby.statuses.moved(self)
        if not command.status:
            self.replied(command.ref, Reply(command.ref))
            return
        self._park("choose status", self._choose(command))

    async def _choose(self, command: StatusSet) -> None:
        try:
            await self._lobby.statuses.choose(self.authority, dnd=command.status == "dnd")
            self.replied(command.ref, Reply(command.ref))
        except CommonroomError as error:
            self._failed(command, error)
        finally:
            self._unpark()

    # From the list of rooms (`Viewer`).

    def list_changed(self, told: Told) -> bool:
        if self.outbox.congested:
            return False
        self.outbox.write(told.framed(self.codec))
        return True

    # For users' status (`Device`, and `Viewer` again).

    @property
    def principal(self) -> Principal:
        """Who it is."""
        return self.authority.principal

    def is_in(self, room: str) -> bool:
        subscription = self._rooms.get(room)
        return subscription is not None and subscription.admitted_once

    def places(self) -> list[UserPlace]:
        return [UserPlace(room, *one.fanout.scene) for room, one in self._rooms.items() if one.admitted_once]

    def moved(self) -> None:
        self._lobby.statuses.moved(self)
        self._lobby.statuses.sees_otherwise(self)

    def status_changed(self, update: StatusUpdate) -> bool:
        if self.outbox.congested:
            return False
        self.send(update)
        return True

    # From whoever knows who is hidden (`Watcher`).

    def want_hidden(self) -> None:
        if self._sight is not None:
            self._lobby.hidden.want(self._sight)

    def hidden_changed(self) -> None:
        self._lobby.statuses.sees_otherwise(self)
        for subscription in tuple(self._rooms.values()):
            subscription.hidden_changed()

    def hidden_unknown(self, error: CommonroomError) -> None:
        for subscription in tuple(self._rooms.values()):
            subscription.hidden_unknown(error)

    def _look_as(self, principal: Principal) -> None:
        before, self._sight = self._sight, self._lobby.hidden.enter(principal, self)
        if before is not None:
            self._lobby.hidden.leave(before, self)
            self.hidden_changed()
