"""Who looks at whose status, and is told what changes: once a second at most, whatever flaps (FEATURES P20).

A viewer is told only what differs from what they were told before, as they may know it: to whom a change is
not shown nothing is sent. `FIRST_S` after `status.watch` they are told of all; who is not known by then reads as
offline, as those do whom the viewer may not see, so that the moment of an answer tells nothing.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from commonroom.identity import Principal
from commonroom.protocol.status import StatusUpdate, UserStatus

__all__ = ["FIRST_S", "PERIOD_S", "Page", "Pages", "Viewer"]

PERIOD_S: Final = 1.0
FIRST_S: Final = 0.5


class Viewer(Protocol):
    """A session."""

    @property
    def principal(self) -> Principal:
        """Who looks."""
        ...

    @property
    def hidden(self) -> frozenset[Principal] | None:
        """Whom it does not see; None: not known yet."""
        ...

    def want_hidden(self) -> None:
        """Somebody waits for `hidden`."""
        ...

    def is_in(self, room: str) -> bool:
        """Whether it is in a room."""
        ...

    def status_changed(self, update: StatusUpdate) -> bool:
        """Pass it on; False: not now."""
        ...


Show = Callable[[str, Viewer, frozenset[Principal]], UserStatus]
"""A user's status as that viewer may know it, who does not see these people."""


class Page:
    """Whom a viewer looks at, with what they were told of each (None: nothing yet), and of whom to tell anew from `due_s` on."""

    __slots__ = ("due_s", "untold", "users")

    def __init__(self) -> None:
        self.users: dict[str, UserStatus | None] = {}
        self.untold: dict[str, None] = {}
        self.due_s = 0.0


class Pages:
    """The pages of a node's sessions."""

    def __init__(self, show: Show, monotonic: Callable[[], float]) -> None:
        self.told = 0
        """Updates sent since the start."""
        self._show = show
        self._monotonic = monotonic
        self._pages: dict[Viewer, Page] = {}
        self._waiting: dict[Viewer, Page] = {}

    def __len__(self) -> int:
        """How many sessions look at somebody."""
        return len(self._pages)

    @property
    def is_waiting(self) -> bool:
        """Whether somebody may have to be told something."""
        return bool(self._waiting)

    def watch(self, viewer: Viewer, users: Iterable[str]) -> tuple[list[str], list[str]]:
        """From now on it looks at these. Those it did not look at before, and those it looks at no more."""
        page = self._pages.get(viewer) or Page()
        wanted = dict.fromkeys(users)
        begun = [user for user in wanted if user not in page.users]
        ended = [user for user in page.users if user not in wanted]
        for user in ended:
            del page.users[user]
            page.untold.pop(user, None)
        for user in begun:
            page.users[user] = None
            page.untold[user] = None
        if begun:
            page.due_s = max(page.due_s, self._monotonic() + FIRST_S)
        if page.users:
            self._pages[viewer] = page
        else:
            self._pages.pop(viewer, None)
        self._wait(viewer, page)
        return begun, ended

    def changed(self, viewer: Viewer, user: str) -> None:
        """The user may look otherwise to it now."""
        page = self._pages[viewer]
        page.untold[user] = None
        self._waiting[viewer] = page

    def sees_otherwise(self, viewer: Viewer) -> None:
        """All it looks at may look otherwise: it is in other rooms, or other people are hidden from it."""
        if (page := self._pages.get(viewer)) is not None:
            page.untold.update(dict.fromkeys(page.users))
            self._wait(viewer, page)

    def tell(self) -> None:
        """Tell those whose time has come."""
        now_s = self._monotonic()
        for viewer, page in list(self._waiting.items()):
            if page.due_s <= now_s:
                self._tell(viewer, page, now_s)
                self._wait(viewer, page)

    def _tell(self, viewer: Viewer, page: Page, now_s: float) -> None:
        hidden = viewer.hidden
        page.due_s = now_s + PERIOD_S
        if hidden is None:
            viewer.want_hidden()
            return
        looks = {user: self._show(user, viewer, hidden) for user in page.untold}
        changes = [status for user, status in looks.items() if status != page.users[user]]
        if changes and not viewer.status_changed(StatusUpdate(changes)):
            return
        self.told += bool(changes)
        page.users.update(looks)
        page.untold.clear()

    def _wait(self, viewer: Viewer, page: Page) -> None:
        if page.untold:
            self._waiting[viewer] = page
        else:
            self._waiting.pop(viewer, None)
