"""The list of rooms, live: what changed about those that people's pages show (FEATURES P18).

A page names its rooms. They are read once, and again when a notice names one of them, or all after a gap of the bus
(`commonroom.engine.notice`): in one statement, at most one a second for the whole node. After each read who shows
something that changed is told, once, of all of it: so nobody hears more than once a second. Who is slow hears later,
of the latest. What is not in the list reads as ended, whatever it is.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Final, Protocol

import structlog

from commonroom.engine.gateway.fanout import framed
from commonroom.errors import CommonroomError
from commonroom.identity import Principal
from commonroom.protocol.codec import Codec
from commonroom.protocol.listing import ListedRoom, ListingUpdate
from commonroom.tasks import TaskGroup, pause

__all__ = ["Listings", "LoadListed", "Told", "Viewer"]

log = structlog.get_logger(__name__)

LoadListed = Callable[[Sequence[str]], Awaitable[Sequence[ListedRoom]]]
"""Rooms → those of the list, as they are now. Raises Unavailable where the database does not answer."""

PERIOD_S: Final = 1.0

AT_ONCE: Final = 5000
"""Rooms of one statement; of more the rest waits for the next."""


class Told:
    """An update, framed once a codec however many are told the same."""

    __slots__ = ("_frames", "update")

    def __init__(self, update: ListingUpdate) -> None:
        self.update = update
        self._frames: dict[Codec, bytes] = {}

    def framed(self, codec: Codec) -> bytes:
        """For a reader of that codec."""
        frames = self._frames.get(codec)
        if frames is None:
            frames = self._frames[codec] = framed(codec, self.update)
        return frames


class Viewer(Protocol):
    """A session."""

    def list_changed(self, told: Told) -> bool:
        """Pass it on; False: not now."""
        ...


class _Room:
    """A room that somebody's page shows. `latest` None: not read yet."""

    __slots__ = ("latest", "viewers")

    def __init__(self) -> None:
        self.latest: ListedRoom | None = None
        self.viewers: dict[Viewer, None] = {}


class _Page:
    """What somebody sees: rooms, and what they were not told of them yet."""

    __slots__ = ("rooms", "untold")

    def __init__(self) -> None:
        self.rooms: dict[str, None] = {}
        self.untold: dict[str, ListedRoom] = {}


class Listings:
    """The pages of a node's sessions.

    Args:
        load: None: nobody is told anything.
        is_on: whether somebody is told what changes; who is not may ask all the same.
    """

    def __init__(self, load: LoadListed | None, tasks: TaskGroup, is_on: Callable[[Principal], bool] | None = None) -> None:
        self.reads = 0
        """Statements since the start."""
        self.told = 0
        """Updates sent since the start."""
        self._load = load
        self._tasks = tasks
        self._is_on = is_on
        self._rooms: dict[str, _Room] = {}
        self._pages: dict[Viewer, _Page] = {}
        self._wanted: dict[str, None] = {}  # to be read
        self._waiting: dict[Viewer, None] = {}  # with something untold
        self._is_running = False

    def __len__(self) -> int:
        """How many sessions show a page."""
        return len(self._pages)

    def watch(self, viewer: Viewer, principal: Principal, rooms: Iterable[str]) -> None:
        """From now on the page of `viewer`, who is this principal, shows these; none: it has no page."""
        wanted = dict.fromkeys(rooms if self._is_on is None or self._is_on(principal) else ())
        page = self._pages.setdefault(viewer, _Page())
        for room in [room for room in page.rooms if room not in wanted]:
            self._hide(viewer, page, room)
        for room in wanted:
            if room not in page.rooms:
                self._show(viewer, page, room)
        if not page.rooms:
            self.leave(viewer)
        self._go_on()

    def leave(self, viewer: Viewer) -> None:
        """The session is over, or has no page."""
        page = self._pages.pop(viewer, None)
        if page is not None:
            self._waiting.pop(viewer, None)
            for room in list(page.rooms):
                self._hide(viewer, page, room)

    # For notices.

    def changed(self, rooms: Iterable[str]) -> None:
        """These may read otherwise now."""
        self._wanted.update({room: None for room in rooms if room in self._rooms})
        self._go_on()

    def reread(self) -> None:
        """All may."""
        self.changed(self._rooms)

    # Reading and telling.

    def _show(self, viewer: Viewer, page: _Page, room: str) -> None:
        known = self._rooms.get(room)
        if known is None:
            known = self._rooms[room] = _Room()
            self._wanted[room] = None
        known.viewers[viewer] = None
        page.rooms[room] = None
        if known.latest is not None:
            self._note(viewer, known.latest)

    def _hide(self, viewer: Viewer, page: _Page, room: str) -> None:
        del page.rooms[room]
        page.untold.pop(room, None)
        viewers = self._rooms[room].viewers
        del viewers[viewer]
        if not viewers:
            del self._rooms[room]
            self._wanted.pop(room, None)

    def _note(self, viewer: Viewer, room: ListedRoom) -> None:
        self._pages[viewer].untold[room.room] = room
        self._waiting[viewer] = None

    def _go_on(self) -> None:
        if self._load is not None and (self._wanted or self._waiting) and not self._is_running:
            self._is_running = True
            self._tasks.start("room list", self._run(self._load))

    async def _run(self, load: LoadListed) -> None:
        """Until there is nothing to do; a second rests between two rounds, whoever begins them."""
        try:
            while self._wanted or self._waiting:
                if self._wanted:
                    await self._read(load)
                self._tell()
                await pause(PERIOD_S)
        finally:
            self._is_running = False

    async def _read(self, load: LoadListed) -> None:
        rooms = list(islice(self._wanted, AT_ONCE))
        for room in rooms:
            del self._wanted[room]
        self.reads += 1
        try:
            found = {one.room: one for one in await load(rooms)}
        except CommonroomError as error:
            log.warning("room_list_not_read", reason=str(error))
            self._wanted.update({room: None for room in rooms if room in self._rooms})
            return
        for room in rooms:
            self._take(found.get(room) or ListedRoom(room, 0, ended=True))

    def _take(self, now: ListedRoom) -> None:
        room = self._rooms.get(now.room)
        if room is None or room.latest == now:
            return
        room.latest = now
        for viewer in room.viewers:
            self._note(viewer, now)

    def _tell(self) -> None:
        same: dict[tuple[str, ...], Told] = {}
        for viewer in list(self._waiting):
            untold = self._pages[viewer].untold
            names = tuple(untold)
            told = same.get(names)
            if told is None:
                told = same[names] = Told(ListingUpdate(list(untold.values())))
            if not untold or viewer.list_changed(told):
                self.told += bool(untold)
                untold.clear()
                del self._waiting[viewer]
