"""What a scenario is: some work for the clients, cut into shares for the workers.

In the controller: `setup` makes rooms and the like once. In each worker, in this order: `prepare`
connects its share, `drive` does the work from the start gate until it is stopped or done,
`sent` says what must have arrived, `settle` waits until it has, `close` leaves.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Struct

from commonroom.bench.load.account import Accounts
from commonroom.bench.load.dialect import Commonroom
from commonroom.bench.load.job import Sent
from commonroom.bench.load.member import Member
from commonroom.bench.load.person import Person, Site
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.visitor import Visitor
from commonroom.bench.report.result import Result, Row
from commonroom.clock import monotonic_s
from commonroom.ids import Random
from commonroom.tasks import TaskGroup, pause

__all__ = ["Load", "Scenario", "behind", "make_rooms", "until"]

P = TypeVar("P", bound=Struct)

CONNECTS_AT_ONCE = 32
LOOK_S = 0.02


class Load(Struct):
    """What a worker gives to its scenario."""

    site: Site
    dialect: str
    """`commonroom`, or a peer's."""
    share: int
    shares: int
    shared: dict[str, Any]
    random: Random
    stopping: asyncio.Event
    progress: Callable[[int, int], None]
    checks: dict[str, StreamCheck]
    steered: bool = True
    """Clients name their room when they connect."""

    @property
    def tasks(self) -> TaskGroup:
        return self.site.tasks

    def mine(self, total: int) -> range:
        """The numbers of `total` that are this worker's."""
        return range(self.share, total, self.shares)

    def member(self, room: str, number: int, *, durable: bool = False, strict: bool = True) -> Member:
        """A client of the target, not connected yet; all of a room share its check."""
        if self.dialect == "commonroom":
            return self.person(room, number, durable=durable, strict=strict)
        speech = Visitor.dialect(self.dialect)
        check = self.checks.setdefault(room, StreamCheck(speech))
        return Visitor(self.site.host, self.site.port, speech, check=check, tally=self.site.tally, room=room, number=number)

    def person(self, room: str, number: int, *, durable: bool = False, strict: bool = True) -> Person:
        """A member that speaks our protocol."""
        speech = Commonroom(durable=durable, names_room=self.steered)
        return Person(self.site, speech, self.checks.setdefault(room, StreamCheck(speech)), room, number, strict=strict)

    async def enter(self, members: Iterable[Member]) -> None:
        """Connect all, some at a time, with progress."""
        await self.each([member.enter for member in members])

    async def each(self, steps: list[Callable[[], Awaitable[None]]], at_once: int = CONNECTS_AT_ONCE) -> None:
        """Do all of them, some at a time, with progress."""
        done, left = 0, iter(steps)

        async def work() -> None:
            nonlocal done
            for step in left:
                await step()
                done += 1
                self.progress(done, len(steps))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(steps))):
                group.create_task(work())


class Scenario(ABC, Generic[P]):
    """One kind of work."""

    name: ClassVar[str]
    parameter_type: ClassVar[type[Struct]]
    """Its fields are the command's options; their `Meta` descriptions the help."""
    makes_rooms: ClassVar[bool] = True
    """Whether its parameters say how many rooms are made beforehand."""
    needs_user: ClassVar[bool] = False
    """Whether somebody must be a user, who can only be made on a server of our own; `shared["user"]` is their access token."""
    settle_s: ClassVar[float] = 0.0
    """Rest between preparation and the start gate, for what the server does behind an answer."""
    server_settings: ClassVar[dict[str, str]] = {}
    """Settings of a server started for it, beyond the usual ones."""

    def __init__(self, load: Load, parameters: P) -> None:
        self.load = load
        self.parameters = parameters
        self.members: list[Member] = []
        """Those whose deliveries are checked."""
        self._stalled: list[Member] = []

    @classmethod
    def lasts(cls, parameters: P) -> bool:
        """Whether it lasts `--seconds`; else until its work is done."""
        return True

    @classmethod
    def keeps(cls, parameters: P) -> bool:
        """Whether what it sends is durable."""
        return True

    @classmethod
    async def setup(cls, accounts: Accounts, parameters: P) -> dict[str, Any]:
        """What all workers share, JSON-able: as many rooms as `parameters.rooms`. Called once, in the controller."""
        return {"rooms": await make_rooms(accounts, parameters.rooms)} if cls.makes_rooms else {}  # type: ignore[attr-defined]

    @abstractmethod
    async def prepare(self) -> None:
        """Connect this worker's share."""

    @abstractmethod
    async def drive(self) -> None:
        """Do the work until `load.stopping` is set or there is none left."""

    def sent(self) -> Sent:
        """What must have reached every reader of a room."""
        sent: Sent = {}
        for member in self.members:
            if member.sent:
                sent.setdefault(member.room, {})[member.number] = member.sent
        return sent

    async def settle(self, sent: Sent, patience_s: float) -> None:
        """Wait until it has; what has not after `patience_s` is lost."""
        for member in self._stalled:
            member.resume_reading()
        await until(lambda: not any(behind(member, sent) for member in self.members), patience_s)
        for member in self.members:
            self.load.site.tally.flaws.lost += behind(member, sent)

    def act(self, name: str) -> None:
        """A fault's part in the clients."""
        if name == "drop-sockets":
            for member in self.members[::2]:
                member.cut()
        elif name == "stall-reader" and self.load.share == 0:
            self._stalled.append(self.members[-1])
            self.members[-1].pause_reading()

    def close(self) -> None:
        """Leave."""
        for member in self.members:
            member.leave()

    @classmethod
    @abstractmethod
    def rows(cls, result: Result, parameters: P) -> list[Row]:
        """The figures that this scenario is about."""


def behind(member: Member, sent: Sent) -> int:
    """How many messages a reader lacks at the end of what its room was sent."""
    said = sent.get(member.room, {})
    last = member.state.last
    return sum(max(sequence - last.get(publisher, 0 if member.state.strict else sequence), 0) for publisher, sequence in said.items())


async def until(is_true: Callable[[], bool], patience_s: float) -> bool:
    """Look every 20 ms until it is, at most `patience_s`; whether it is."""
    end_s = monotonic_s() + patience_s
    while not (done := is_true()) and monotonic_s() < end_s:
        await pause(LOOK_S)
    return done


async def make_rooms(accounts: Accounts, count: int) -> list[str]:
    """Unlisted rooms of one host."""
    host = await accounts.guest("bench host")
    return [await accounts.room(host, f"bench {number}") for number in range(count)]
