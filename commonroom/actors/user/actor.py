"""A user's status: what all their devices tell, as one (FEATURES P20, ADR 15). Volatile.

A device is a session on some gateway, which announces it with what it says (`DeviceSaid`). It is here as
long as that gateway lives, as people in rooms are: no heartbeat of its own, no time to live. A gateway whose
sessions look at the user announces itself besides, saying nothing; it asks once (`resync`) and hears of changes.

    the person chose dnd  >  a device in a busy room  >  a device in use  >  an idle device  >  none

A change is told `COALESCE_MS` after it, and `PACE_MS` after the last push at the earliest. Who leaves is offline
`GRACE_MS` later: a page that is loaded again is no news. Devices of other nodes announce themselves to a new
activation one by one: until `SETTLE_MS` it calls nobody offline.
"""

from typing import ClassVar, Final

import msgspec

from commonroom.engine.actor import Actor, Context, Wake
from commonroom.engine.address import Address
from commonroom.errors import Forbidden, InternalError, LimitExceeded, NotFound
from commonroom.identity import Authority, Principal
from commonroom.protocol.status import Status
from commonroom.protocol.user import Activity, BusyWhen, DeviceSaid, UserPlace, UserState
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["COALESCE_MS", "GRACE_MS", "MAX_DEVICES", "MAX_PLACES", "PACE_MS", "SETTLE_MS", "UserActor"]

COALESCE_MS: Final = 200
PACE_MS: Final = 1000
GRACE_MS: Final = 2000
SETTLE_MS: Final = 2000
MINUTE_MS: Final = 60_000

MAX_DEVICES: Final = 100
"""Sessions of one user that count; more are let in, and tell nothing."""

MAX_PLACES: Final = 20
"""Rooms that are told; in how many more the user is nobody learns."""

TELL: Final = "tell"

BUSY: Final[dict[BusyWhen, frozenset[Activity]]] = {
    "active": frozenset({"active", "focus"}),
    "focus": frozenset({"focus"}),
    "off": frozenset(),
}

_said = msgspec.msgpack.Decoder(DeviceSaid)


class UserActor(Actor):
    """The devices of one user. Its key is the user's id."""

    kind: ClassVar[str] = "user"
    is_volatile: ClassVar[bool] = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._devices: dict[str, DeviceSaid] = {}
        self._told: UserState | None = None
        self._told_at = 0
        self._due_at: int | None = None
        """Of the wake that is scheduled."""
        self._left_at = 0
        self._seen_at: int | None = None

    # -- what gateways tell -------------------------------------------------------

    def attach(self, ctx: Context) -> None:
        if ctx.said:
            self._hear(ctx)
        self._tell_soon(ctx)

    def detach(self, ctx: Context) -> None:
        if self._devices.pop(ctx.session or "", None) is None:
            return  # a gateway that looks no longer
        if not self._devices:
            self._left_at, self._seen_at = ctx.now, ctx.now // MINUTE_MS * MINUTE_MS
        self._tell_soon(ctx)

    def wake(self, ctx: Context, wake: Wake) -> None:
        self._due_at = None
        present = self._present()
        if present == self._told:
            return
        if self._ready_at(ctx) > ctx.now:
            self._tell_soon(ctx)  # the last device left after this was planned
            return
        self._told, self._told_at = present, ctx.now
        ctx.publish(present, conflate="status")

    def resync(self) -> UserState | None:
        """None: not known yet; it will be told."""
        return self._told

    # -- what others ask ----------------------------------------------------------

    def view(self, hidden: frozenset[Principal] = frozenset(), action: str = "") -> UserState:
        """For the edge, which shows no more than it may."""
        return self._told or self._present()

    def may(self, authority: Authority, action: str, now: int) -> bool:
        return action == "user.read"

    def receive(self, ctx: Context, command: Command) -> None:
        """Raises NotFound."""
        raise NotFound("a user takes no commands")

    # -- nothing is durable -------------------------------------------------------

    def apply(self, event: DurablePush, private: bytes | None) -> None:
        """Raises InternalError."""
        raise InternalError("a user has no events")

    def dump(self) -> bytes:
        """Raises InternalError."""
        raise InternalError("a user has no snapshot")

    def load(self, snapshot: bytes) -> None:
        """Raises InternalError."""
        raise InternalError("a user has no snapshot")

    # -- inside -------------------------------------------------------------------

    def _hear(self, ctx: Context) -> None:
        if ctx.authority.principal != Principal("user", self.address.key):
            raise Forbidden("a device tells of its own user")
        session = ctx.session or ""
        if session not in self._devices and len(self._devices) >= MAX_DEVICES:
            raise LimitExceeded(f"{MAX_DEVICES} devices of a user count")
        self._devices[session] = _said.decode(ctx.said)

    def _tell_soon(self, ctx: Context) -> None:
        if self._present() == self._told:
            return
        at = max(ctx.now + COALESCE_MS, self._ready_at(ctx))
        if self._due_at is None or at < self._due_at:
            self._due_at = at
            ctx.schedule(at, Wake(TELL, 0))

    def _ready_at(self, ctx: Context) -> int:
        """Before that nothing is told."""
        paced_at = self._told_at + PACE_MS
        return paced_at if self._devices else max(paced_at, self._left_at + GRACE_MS, ctx.activated_at + SETTLE_MS)

    def _present(self) -> UserState:
        user, devices = self.address.key, self._devices.values()
        if not devices:
            return UserState(user, "offline", [], self._seen_at)
        places: dict[str, UserPlace] = {}
        for device in devices:
            places.update({place.room: place for place in device.places})
        return UserState(user, self._status(places), list(places.values())[:MAX_PLACES])

    def _status(self, places: dict[str, UserPlace]) -> Status:
        devices = self._devices.values()
        latest = max(devices, key=lambda device: device.revision)
        if latest.dnd:
            return "dnd"
        if any(place.activity in BUSY[latest.busy] for place in places.values()):
            return "busy"
        return "idle" if all(device.idle for device in devices) else "online"
