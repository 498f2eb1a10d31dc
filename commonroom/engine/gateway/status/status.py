"""Status on a node: its users' sessions tell their actors of themselves, its viewers are told (FEATURES P20, ADR 15).

    session ──what it says──► user/<id> ──UserState──► each node that looks, once ──► its viewers, as each may know it

A node follows the actor of each user who has a session here or is looked at here: devices under their session's id,
all viewers together as `LOOKING`. Nothing runs while nothing changes.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from commonroom.engine.address import Address
from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Publication, Resync
from commonroom.engine.following import Following
from commonroom.engine.gateway.naming import user_address
from commonroom.engine.gateway.status.fact import FactReader, LoadFacts
from commonroom.engine.gateway.status.page import Pages, Viewer
from commonroom.engine.gateway.status.shown import later, shown
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.errors import CommonroomError, NotFound
from commonroom.identity import Authority, Principal
from commonroom.protocol.status import UserStatus
from commonroom.protocol.user import DeviceSaid, UserPlace, UserState
from commonroom.protocol.wire import ServerMessage
from commonroom.storage.repository.preference import StatusFacts
from commonroom.tasks import pause

__all__ = ["Device", "StatusPorts", "Statuses"]

TICK_S: Final = 0.25

AT_ONCE: Final = 500
"""Devices that say something anew in a tick: a phase's end is news of all in a crowded room."""

LOOKING: Final = "looking"
"""Under this name a node follows a user for its viewers; no session's id."""


class StatusPorts(NamedTuple):
    """What is behind it. `choose` keeps whether a user wants not to be disturbed; `seen` is told that a user is here, or was until now."""

    load: LoadFacts
    choose: Callable[[Authority, bool], Awaitable[None]]
    seen: Callable[[str], None]


class Device(Protocol):
    """A session of a user."""

    id: str
    idle: bool
    """Whether nobody has touched it for a while, as its client says."""

    @property
    def authority(self) -> Authority: ...

    def places(self) -> Sequence[UserPlace]:
        """The rooms it is in."""
        ...


class _User:
    """A user who has devices or viewers here.

    `said`: what the actor knows of each device; empty: nothing yet. `seen_at`: the latest moment that an actor told, cluster ms.
    """

    __slots__ = ("address", "facts", "is_looked_at", "latest", "said", "seen_at", "viewers")

    def __init__(self, user: str) -> None:
        self.address = user_address(user)
        self.said: dict[Device, bytes] = {}
        self.viewers: dict[Viewer, None] = {}
        self.facts: StatusFacts | None = None
        self.latest: UserState | None = None
        self.seen_at: int | None = None
        self.is_looked_at = False

    def announced(self) -> list[str]:
        """The names under which the actor is followed from here."""
        names = [device.id for device, said in self.said.items() if said]
        return [*names, LOOKING] if self.is_looked_at else names


class Statuses:
    """The users whose status matters on a node.

    Args:
        ports: None: nobody has a status.
        following: told of the actors that are followed.
        unfollowed: called when an actor is followed from here no longer.
    """

    def __init__(
        self, around: Surroundings, ports: StatusPorts | None, following: Following, unfollowed: Callable[[Address], None]
    ) -> None:
        self._around = around
        self._ports = ports
        self._following = following
        self._unfollowed = unfollowed
        self._users: dict[str, _User] = {}
        self._dirty: dict[Device, None] = {}
        self._is_running = False
        self.pages = Pages(self._show, around.monotonic)
        self.facts = FactReader(_nobody if ports is None else ports.load, around.tasks, self._took)
        self.reports = 0
        """What devices said anew, since the start."""

    def __len__(self) -> int:
        return len(self._users)

    # -- sessions of users ---------------------------------------------------------

    def enter(self, device: Device) -> None:
        """A session is a user's."""
        who = device.authority.principal
        if self._ports is None or who.actor_type != "user":
            return
        self._user(who.actor_id).said.setdefault(device, b"")
        self._ports.seen(who.actor_id)
        self.moved(device)

    def leave(self, device: Device) -> None:
        """It is over."""
        self._dirty.pop(device, None)
        who = device.authority.principal
        user = self._users.get(who.actor_id)
        if self._ports is None or user is None or device not in user.said:
            return
        self._ports.seen(who.actor_id)
        if user.said.pop(device):
            self._send(user, Detach(), device.authority, device.id)
        self._release(user)

    def moved(self, device: Device) -> None:
        """It is in other rooms, something else goes on there, or it is idle or in use."""
        if self._is_known(device):
            self._dirty[device] = None
            self._go_on()

    async def choose(self, authority: Authority, *, dnd: bool) -> None:
        """Keep whether the user wants not to be disturbed; durable when this returns.

        Raises:
            RateLimited: too often.
            NotFound: nobody has a status here, or the account is gone.
            Unavailable: the database does not answer.
        """
        if self._ports is None:
            raise NotFound("there is no status here")
        await self._ports.choose(authority, dnd)

    # -- viewers -------------------------------------------------------------------

    def watch(self, viewer: Viewer, users: Iterable[str]) -> None:
        """From now on it looks at these.

        Raises:
            Invalid: one is no possible user; nothing has changed.
        """
        if self._ports is None:
            return
        wanted = list(users)
        for user in wanted:
            user_address(user)
        begun, ended = self.pages.watch(viewer, wanted)
        for user in begun:
            known = self._user(user)
            known.viewers[viewer] = None
            self._look(known)
        for user in ended:
            self._look_away(viewer, self._users[user])
        self._go_on()

    def sees_otherwise(self, viewer: Viewer) -> None:
        """It is in other rooms, or other people are hidden from it."""
        self.pages.sees_otherwise(viewer)
        self._go_on()

    # -- for notices -----------------------------------------------------------------

    def changed(self, users: Iterable[str]) -> None:
        """The preferences of these may be others."""
        self.facts.want([user for user in users if user in self._users])

    def reread(self) -> None:
        """Anybody's may."""
        self.facts.want(self._users)

    # -- as one who follows actors -----------------------------------------------------

    def followers(self, address: Address) -> list[str]:
        """The names under which one is followed."""
        user = self._users.get(address.key)
        return [] if user is None else user.announced()

    def announce(self, address: Address) -> None:
        """Tell it who follows it from here."""
        user = self._users.get(address.key)
        if user is None:
            return
        for device, said in user.said.items():
            if said:
                self._send(user, Attach(said=said), device.authority, device.id)
        if user.is_looked_at:
            user.is_looked_at = False
            self._look(user)
            self._mark(user)

    def publish(self, publication: Publication) -> None:
        """An actor told its user's state."""
        if isinstance(publication.message, UserState):
            self.told(publication.message)

    def told(self, latest: UserState) -> None:
        """A user's state is this."""
        user = self._users.get(latest.user)
        if user is None:
            return
        if latest.status == "offline":
            latest = self._with_seen(user, latest)
        if user.latest != latest:
            user.latest = latest
            self._changed(user)

    # -- inside --------------------------------------------------------------------------

    def _user(self, user: str) -> _User:
        known = self._users.get(user)
        if known is None:
            known = self._users[user] = _User(user)
            self.facts.want((user,))
        return known

    def _with_seen(self, user: _User, latest: UserState) -> UserState:
        """An actor that began after the user had gone does not know when that was: what was told before stays, the table may know more."""
        if latest.seen_at is None and user.latest is not None and user.latest.status != "offline":
            self.facts.want((latest.user,))
        user.seen_at = later(user.seen_at, latest.seen_at)
        return replace(latest, seen_at=user.seen_at)

    def _release(self, user: _User) -> None:
        if not user.said and not user.viewers and self._users.pop(user.address.key, None) is user:
            self._unfollowed(user.address)

    def _is_known(self, device: Device) -> bool:
        user = self._users.get(device.authority.principal.actor_id)
        return user is not None and device in user.said

    def _took(self, name: str, facts: StatusFacts | None) -> None:
        user = self._users.get(name)
        if user is None or user.facts == facts:
            return
        user.facts = facts
        self._dirty.update(dict.fromkeys(user.said))
        self._look(user)
        self._changed(user)

    def _look(self, user: _User) -> None:
        """Follow a user who exists for the viewers, if there are any."""
        if user.viewers and user.facts is not None and not user.is_looked_at:
            user.is_looked_at = True
            self._send(user, Attach(), None, LOOKING)
            self._around.router.send(Envelope(user.address, Resync(), None, _Question(self), LOOKING))

    def _look_away(self, viewer: Viewer, user: _User) -> None:
        del user.viewers[viewer]
        if user.viewers:
            return
        user.latest = None
        if user.is_looked_at:
            user.is_looked_at = False
            self._send(user, Detach(), None, LOOKING)
        self._release(user)

    def _changed(self, user: _User) -> None:
        for viewer in user.viewers:
            self.pages.changed(viewer, user.address.key)
        self._go_on()

    def _show(self, name: str, viewer: Viewer, hidden: frozenset[Principal]) -> UserStatus:
        user = self._users[name]
        return shown(name, user.latest, user.facts, reader=viewer.principal, hidden=hidden, is_in=viewer.is_in)

    def _mark(self, user: _User) -> None:
        self._following.mark(user.address, bool(user.announced()))

    def _send(self, user: _User, signal: Attach | Detach, authority: Authority | None, session: str) -> None:
        """Tell the actor what has changed already."""
        self._mark(user)
        self._around.router.send(Envelope(user.address, signal, authority, None, session))

    # -- what runs while something changes -------------------------------------------------

    def _go_on(self) -> None:
        if (self._dirty or self.pages.is_waiting) and not self._is_running:
            self._is_running = True
            self._around.tasks.start("status", self._run())

    async def _run(self) -> None:
        try:
            while self._dirty or self.pages.is_waiting:
                for device in list(islice(self._dirty, AT_ONCE)):
                    del self._dirty[device]
                    self._report(device)
                self.pages.tell()
                await pause(TICK_S)
        finally:
            self._is_running = False

    def _report(self, device: Device) -> None:
        """Say what the device has to say, if that is news. Nothing before it is known what its user prefers."""
        user = self._users[device.authority.principal.actor_id]
        facts = user.facts
        if facts is None:
            return
        said = msgspec.msgpack.encode(DeviceSaid(device.idle, list(device.places()), facts.dnd, facts.busy, facts.revision))
        if said != user.said[device]:
            self.reports += 1
            user.said[device] = said
            self._send(user, Attach(said=said), device.authority, device.id)


class _Question:
    """Origin of the question how a user is. Who is not known yet answers nothing, and tells it later."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    def replied(self, ref: int, message: ServerMessage) -> None:
        if isinstance(message, UserState):
            self._statuses.told(message)

    def refused(self, ref: int, error: CommonroomError) -> None: ...

    def admitted(self, ref: int, admission: Admission) -> None: ...


async def _nobody(_users: Sequence[str]) -> dict[str, StatusFacts]:
    return {}
