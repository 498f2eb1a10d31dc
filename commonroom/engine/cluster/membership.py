"""Staying a member, and knowing who else is (DESIGN 5).

One beat a second extends our life in the store and brings the view of all. While the
store is away nobody can be born or die: the view stands still, and the slot table alone
proves that our slots are still ours. An expelled incarnation has to begin a new life.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec.structs import replace

from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.port import Coordination
from commonroom.engine.lease import Lease
from commonroom.errors import CommonroomError, Unavailable
from commonroom.tasks import TaskGroup

__all__ = ["Membership"]

log = structlog.get_logger(__name__)

LEAVE_TIMEOUT_S: Final = 1.0


class Membership:
    """Beats for one incarnation after another.

    Args:
        verify: proves ownership by the slot table; raises Unavailable.
        on_view: called with the view of each beat, new or not.
        on_expelled: awaited when we were taken for dead; what it leaves behind is a new `member`.
        on_isolated: called at each beat that fails while the database answers, once the store has been silent for a TTL.
    """

    def __init__(
        self,
        coordination: Coordination,
        member: Member,
        *,
        beat_s: float,
        lease: Lease,
        verify: Callable[[], Awaitable[None]],
        on_view: Callable[[View], None],
        on_expelled: Callable[[], Awaitable[None]],
        on_isolated: Callable[[], None],
    ) -> None:
        self.member = member
        self.view = View()
        self.lease = lease
        self.healthy = False
        """Whether the last beat was answered."""
        self._coordination = coordination
        self._beat_s = beat_s
        self._verify = verify
        self._on_view = on_view
        self._on_expelled = on_expelled
        self._on_isolated = on_isolated
        self._heard_s = lease.asked_at()
        self._suspects: set[str] = set()
        self._now = asyncio.Event()
        self._beating = asyncio.Lock()
        self._tasks = TaskGroup(self._crashed)

    async def open(self) -> None:
        """Become a member.

        Raises:
            Unavailable: the store does not answer.
        """
        await self.beat()
        self._tasks.start("beats", self._run())

    async def leave(self) -> None:
        """End this life; best effort, the TTL ends it otherwise. Safe to call twice."""
        await self._tasks.close()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._coordination.leave(self.member.id)
        except (Unavailable, TimeoutError):
            log.warning("leave_not_told", member=self.member.id)

    def hasten(self) -> None:
        """Beat now."""
        self._now.set()

    def reborn(self, member: Member) -> None:
        """Beat as another incarnation from now on."""
        self.member = member
        self.view = View()

    def describe(self, *, socket: str) -> None:
        """Tell the others of our socket."""
        self.member = replace(self.member, socket=socket)

    def retire(self) -> None:
        """Take no more slots (weight 0), and give away what is here."""
        self.member = replace(self.member, weight=0.0)
        self.hasten()

    def suspect(self, member: str) -> None:
        """A member was proven dead: have it expelled, as soon as that may be."""
        self._suspects.add(member)
        self.hasten()

    async def beat(self) -> View:
        """One beat; returns the view, which is newer than anything known when this was called.

        Raises:
            Unavailable: the store does not answer.
        """
        async with self._beating:
            asked_at_s = self.lease.asked_at()
            view = self._with_doubtful(await self._coordination.beat(self.member, self.view))
            self.healthy, self._heard_s = True, asked_at_s
            self.view = view
            if not view.expelled:
                await self._prove(asked_at_s)
        self._on_view(view)
        return view

    async def _prove(self, asked_at_s: float) -> None:
        """A member that always was one owns what it owned. After a lapse the store may have forgotten that we were dead."""
        if not self.lease.valid():
            await self._verify()
        self.lease.prove(asked_at_s)

    def _with_doubtful(self, view: View) -> View:
        if not view.quiet or view.expelled:
            return view
        doubtful = {name: member for name, member in self.view.reachable.items() if name not in view.members}
        return replace(view, doubtful=doubtful) if doubtful else view

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._beat_s):
                    await self._now.wait()
            except TimeoutError:
                pass
            self._now.clear()
            await self._once()

    async def _once(self) -> None:
        try:
            await self._expel_suspects()
            view = await self.beat()
        except Unavailable as error:
            self._note_silence(error)
            await self._prove_otherwise()
            return
        if view.expelled:
            log.warning("expelled", member=self.member.id)
            await self._on_expelled()
            self._now.set()

    async def _expel_suspects(self) -> None:
        for suspect in tuple(self._suspects):
            if suspect not in self.view.reachable or await self._coordination.expel(suspect):
                self._suspects.discard(suspect)

    async def _prove_otherwise(self) -> None:
        asked_at_s = self.lease.asked_at()
        try:
            await self._verify()
        except Unavailable:
            return
        self.lease.prove(asked_at_s)
        if asked_at_s - self._heard_s > self.lease.ttl_s:
            self._on_isolated()

    def _note_silence(self, error: CommonroomError) -> None:
        if self.healthy:
            log.warning("membership_store_silent", reason=str(error))
        self.healthy = False

    def _crashed(self, name: str, error: BaseException) -> None:
        """Our own fault: a node that beats no more is dead, so it goes on."""
        log.error("cluster_task_failed", task=name, error=type(error).__name__, exc_info=error)
        self._tasks.start(name, self._run())
