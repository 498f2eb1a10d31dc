"""One node of a cluster: membership, ownership, links, routing and fan-out, put together.

    transport ──► Links ──► Cluster.heard ──► Incoming · Outgoing · Relay · Ownership
    coordination ──► Membership ──► views ──► Ownership ──► ClusterRouter (where commands go)

An expelled node begins a new life in the same process: a new incarnation that owns
nothing, with the sockets of its gateway still open.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from msgspec.structs import replace

from commonroom.config.settings import ClusterSettings
from commonroom.engine.address import Address, address_named, slot_of_address
from commonroom.engine.cluster.follower import Followers
from commonroom.engine.cluster.incoming import Incoming, IncomingStats
from commonroom.engine.cluster.link import Links, LinkStats
from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.membership import Membership
from commonroom.engine.cluster.outgoing import Outgoing, OutgoingStats
from commonroom.engine.cluster.ownership import Ownership, SlotHolder
from commonroom.engine.cluster.port import Coordination, Neighbours, SlotTable, Steering, Transport
from commonroom.engine.cluster.recall import Recalls
from commonroom.engine.cluster.relay import LocalGateway, Relay
from commonroom.engine.cluster.router import ClusterRouter
from commonroom.engine.cluster.wire import (
    Activated,
    Again,
    Announce,
    Announced,
    Answer,
    Call,
    Digest,
    Done,
    Message,
    Moved,
    Notice,
    Push,
    Recall,
    Recalled,
    Revoked,
    Taken,
    Unfollow,
    encode,
)
from commonroom.engine.envelope import Envelope
from commonroom.engine.host import ActorHost
from commonroom.engine.lease import Lease
from commonroom.engine.trace import Remembered
from commonroom.errors import Unavailable
from commonroom.identity import SessionId
from commonroom.storage.slot_table import SlotOwner
from commonroom.tasks import TaskGroup, pause

__all__ = ["Cluster", "Ports"]

log = structlog.get_logger(__name__)

SWEEP_S = 0.5
CLOSE_GRACE_S = 2.0


@dataclass(frozen=True)
class Ports:
    """The world of a node."""

    coordination: Coordination
    table: SlotTable
    transport: Transport
    neighbours: Callable[[str], Neighbours] | None
    """Made for each incarnation; None: only the TTL tells of a death, as between hosts."""
    storage: SlotHolder
    """Journal and projections."""
    monotonic: Callable[[], float]
    steering: Steering | None = None
    """None, or no neighbours: every socket is served where it was accepted."""


class Cluster:
    """This node among others. Implements `LinkEvents`, `TransportEvents`, `SlotHolder`, `Switch` and `Bounds`.

    Args:
        member: this life's description.
        renew: the description of the next life, after an expulsion.
    """

    def __init__(self, settings: ClusterSettings, ports: Ports, member: Member, renew: Callable[[Member], Member]) -> None:
        self._settings = settings
        self._ports = ports
        self._renew = renew
        self._loop = loop = asyncio.get_running_loop()
        self.lease = Lease(settings.ttl_s, ports.monotonic)
        self.link_stats = LinkStats()
        self.outgoing_stats = OutgoingStats()
        self.incoming_stats = IncomingStats()
        self.links = Links(member.id, ports.transport, self, soon=loop.call_soon, later=loop.call_later, stats=self.link_stats)
        self.recalls = Recalls(self.links.send)
        self.followers = Followers()
        self.relay = Relay(self.links, self.followers, later=loop.call_later, grace_s=settings.presence_grace_s)
        self.outgoing = Outgoing(self.links, settings.window, settings.peer_commands, ClusterRouter.refuse, self.outgoing_stats)
        self.router = ClusterRouter(self._deliver, self.outgoing, self.relay, ports.monotonic)
        self.ownership = Ownership(
            member.id, ports.table, self, self, refresh=self._beat, batch=settings.handoff_slots, monotonic=ports.monotonic
        )
        self.incoming = Incoming(
            self.links, self.followers, self.ownership, deliver=self._deliver, soon=loop.call_soon, stats=self.incoming_stats
        )
        self.membership = Membership(
            ports.coordination,
            member,
            beat_s=settings.beat_s,
            lease=self.lease,
            verify=self.ownership.verify,
            on_view=self._viewed,
            on_expelled=self._expelled,
            on_isolated=self._isolated,
        )
        self._host: ActorHost
        self._members: list[str] = []
        self._strangers: set[str] = set()
        self._seen = View()
        self._neighbours: Neighbours | None = None
        self._tasks = TaskGroup(_crashed)
        self.rebirths = 0
        self.on_revoked: Callable[[Sequence[tuple[SessionId, int]]], None] = _ignore
        """Called with login sessions that ended, see `Revocations`."""
        self.on_notice: Callable[[str, Sequence[str]], None] = _ignore
        """Called with a topic and its keys that changed, see `Notices`."""
        self.on_gap: list[Callable[[], None]] = []
        """Each is called when something that others told all nodes may be lost, or there are others than before."""
        self.on_isolated: Callable[[], None] = _nothing
        """Called each second in which this node reaches nobody and others have its slots: its clients are better off elsewhere."""

    def bind(self, host: ActorHost, gateway: LocalGateway) -> None:
        """The parts that are made after this one, which they need."""
        self._host = host
        self.relay.bind(host, gateway, self.router.member_of, self.router.slots_of)

    @property
    def me(self) -> str:
        """This incarnation."""
        return self.membership.member.id

    async def open(self) -> None:
        """Join. Slots come afterwards, in the background.

        Raises:
            Unavailable: Redis or the database does not answer.
        """
        await self._ports.transport.open(self.me, self)
        self.membership.describe(socket=await self._listen_for_neighbours(self.me))
        await self.membership.open()
        self.ownership.open()
        self._tasks.start("digests", self._digests())
        self._tasks.start("sweeps", self._sweeps())

    async def drain(self) -> None:
        """Take no more slots and hand over what is here, while serving; returns once nothing is left, or nobody else is there."""
        self._stop_steering()
        self.membership.retire()
        while self.ownership.here and self.has_others and self.membership.healthy:
            await pause(0.02)

    async def close(self) -> None:
        """Leave. What is still here nobody owns then; who takes it is free to. Safe to call twice."""
        self._stop_steering()
        await self._tasks.close()
        await self.ownership.close()
        try:
            await self.ownership.release()
            await self._ports.coordination.note_slots()
        except Unavailable as error:
            log.warning("slots_not_released", reason=str(error))
        await self.membership.leave()
        self._ports.transport.nudge()
        self.links.close()
        if self._neighbours is not None:
            await self._neighbours.close()
        await self._ports.transport.close()

    async def _listen_for_neighbours(self, me: str) -> str:
        """Our socket, empty where there are no neighbours."""
        if self._ports.neighbours is None:
            return ""
        if self._neighbours is not None:
            await self._neighbours.close()
        self._neighbours = self._ports.neighbours(me)
        await self._neighbours.open()
        if self._ports.steering is not None and self.membership.member.weight > 0:
            self._ports.steering.open(me)
        return self._neighbours.path

    def _stop_steering(self) -> None:
        if self._ports.steering is not None:
            self._ports.steering.close()

    @property
    def has_others(self) -> bool:
        """Whether anybody else takes slots."""
        return any(member.weight > 0 for member in self.membership.view.members.values() if member.id != self.me)

    # -- for the gateway -----------------------------------------------------------------

    def steer(self, address: Address, descriptor: int, data: bytes) -> bool:
        """Pass a socket on to the node that has its room; False: it is ours to serve, see `Steering.pass_on`."""
        owner = self.membership.view.members.get(self.router.member_of(address) or "")
        if self._ports.steering is None or owner is None or owner.weight <= 0:
            return False
        return self._ports.steering.pass_on(owner, address, descriptor, data)

    # -- from the transport ------------------------------------------------------------

    def received(self, data: bytes) -> None:
        self.links.received(data)

    def interrupted(self) -> None:
        self.links.interrupted()
        self.membership.hasten()

    def nudged(self) -> None:
        self.membership.hasten()

    # -- from links ----------------------------------------------------------------------

    def heard(self, member: str, message: Message) -> None:
        handler = _HANDLERS.get(type(message))
        if handler is None:
            log.warning("message_not_known", kind=type(message).__name__)
            return
        try:
            handler(self, member, message)
        except Exception:  # another node's message must not take this one down
            log.exception("message_failed", kind=type(message).__name__, member=member)

    def resynced(self, member: str) -> None:
        self._tell_of_gap()
        self.relay.doubt(member)
        self.outgoing.resend(member)
        self.relay.announce_all(member)

    def instance(self, message: Activated) -> None:
        """An owner tells of an actor's instance."""
        if message.fresh:
            self.outgoing.activated(address_named(message.address))
        self.relay.instance(message)

    def _moved(self, member: str, message: Moved) -> None:
        self.ownership.learn(SlotOwner(slot, epoch, owner) for slot, epoch, owner in message.slots)
        self.ownership.served({slot: epoch for slot, epoch, owner in message.slots if owner == member})

    # -- from membership -------------------------------------------------------------------

    async def _beat(self) -> View:
        return await self.membership.beat()

    def _viewed(self, view: View) -> None:
        """The view of a beat.

        A stranger is somebody who spoke to us and is missing from two of them, of which the second
        was asked for after it had spoken: it came and left between our beats.
        """
        if view.expelled:
            return
        unknown = set() if view.quiet else {peer for peer in self.links.peers if peer not in view.members}
        strangers, self._strangers = unknown & self._strangers, unknown
        if view == self._seen and not strangers:
            self.ownership.rested()
            return
        if self.me in view.members and self.me not in self._seen.members:
            self._ports.transport.nudge()  # who does not know us yet parks what others would already have us serve
        self._seen = view
        members = sorted(view.reachable.keys() - {self.me})
        gone = [member for member in self._members if member not in members]
        gone += sorted(strangers.difference(gone))
        self.links.keep(members, gone)
        for member in gone:
            self.incoming.gone(member)
            self.relay.gone(member)
        if members != self._members:
            self._members = members
            self._watch_neighbours(view)
            self._tell_of_gap()
        self.ownership.viewed(view)

    def _watch_neighbours(self, view: View) -> None:
        if self._neighbours is not None:
            others = {name: member for name, member in view.reachable.items() if name != self.me}
            self._neighbours.watch(others, self.membership.suspect)

    def _isolated(self) -> None:
        """The store is silent for us. Where others have taken our slots, it answers them."""
        if not self.ownership.here:
            self.on_isolated()

    async def _expelled(self) -> None:
        """Begin a new life: nothing is owned, nothing is agreed with anybody."""
        self.rebirths += 1
        member = self._renew(self.membership.member)
        self.ownership.restart(member.id)
        self.incoming.reset()
        self.followers.clear()
        self.links.reset(member.id)
        self._members = []
        self._strangers = set()
        self._seen = View()
        await self._ports.transport.close()
        while True:
            try:
                await self._ports.transport.open(member.id, self)
            except Unavailable:
                await pause(self._settings.beat_s)
            else:
                break
        socket = await self._listen_for_neighbours(member.id)
        self.membership.reborn(replace(member, socket=socket))  # not before: who is a member must be within reach

    # -- for ownership (`SlotHolder`) ------------------------------------------------------------

    async def open_slots(self, epochs: Mapping[int, int]) -> None:
        await self._ports.storage.open_slots(epochs)
        self._host.open_slots(epochs)

    async def close_slots(self, slots: Sequence[int]) -> set[int]:
        finished = await self._host.close_slots(slots, CLOSE_GRACE_S)
        clean = finished & await self._ports.storage.close_slots(slots)
        self._ports.storage.drop_slots([slot for slot in slots if slot not in clean])
        return clean

    def drop_slots(self, slots: Sequence[int]) -> None:
        self._ports.storage.drop_slots(slots)
        self._host.drop_slots(slots)

    # -- for ownership (`Switch`) ------------------------------------------------------------

    def to_here(self, slots: Mapping[int, int]) -> None:
        self.router.to_here(slots)
        for slot in slots:
            self.incoming.opened(slot)

    def to_member(self, slots: Mapping[int, int], member: str) -> None:
        self._forget_followers(slots)
        self.router.to_member(slots, member)
        for slot in slots:
            self.incoming.closed(slot)

    def to_nobody(self, slots: Iterable[int]) -> None:
        self.router.to_nobody(slots)

    def moved(self, slots: Mapping[int, int], owner: str) -> None:
        self._tell_all(Moved([(slot, epoch, owner) for slot, epoch in slots.items()]))
        self._tasks.start("note slots", self._note_slots())

    async def _note_slots(self) -> None:
        try:
            await self._ports.coordination.note_slots()
        except Unavailable as error:
            log.warning("move_not_noted", reason=str(error))

    def _forget_followers(self, slots: Mapping[int, int]) -> None:
        self.followers.forget([address for address in self.followers.addresses() if slot_of_address(address) in slots])

    # -- for revocations and notices (`Bus`) ---------------------------------------------------------

    @property
    def whole(self) -> bool:
        """Whether what others tell arrives, as far as known."""
        return self.membership.healthy and not self.links.broken

    def revoked(self, ended: Sequence[tuple[SessionId, int]]) -> None:
        """Tell all others of login sessions that ended."""
        self._tell_all(Revoked(list(ended)))

    def notify(self, topic: str, keys: Sequence[str]) -> None:
        """Tell all others that the truth about these keys has changed."""
        self._tell_all(Notice(topic, list(keys)))

    async def recollect(self, actors: Sequence[str]) -> Remembered:
        """What all others remember of the connections of these principals' ids. Raises Unavailable: too much is asked already."""
        names = {member: one.name for member, one in self.membership.view.reachable.items() if member != self.me}
        told = await self.recalls.ask(list(names), actors)
        return Remembered([(names[member], trace) for member, traces in told.items() for trace in traces], len(told) == len(names))

    def _tell_of_gap(self) -> None:
        for told in self.on_gap:
            told()

    def _tell_all(self, message: Message) -> None:
        encoded = encode(message)
        for member in self._members:
            self.links.send_encoded(member, encoded)

    # -- for the host (`Bounds`) -------------------------------------------------------------

    def fenced(self, slot: int) -> None:
        self.ownership.fenced(slot)

    def moved_on(self, envelopes: list[Envelope]) -> None:
        self.router.take_back(envelopes)

    def _deliver(self, envelope: Envelope) -> None:
        self._host.deliver(envelope)

    # -- background ----------------------------------------------------------------------

    async def _digests(self) -> None:
        while True:
            await pause(self._settings.digest_s)
            self.relay.digest(self._members)
            self.outgoing.sweep()

    async def _sweeps(self) -> None:
        while True:
            await pause(SWEEP_S)
            self.router.expire()


_HANDLERS: dict[type, Callable[[Cluster, str, Any], None]] = {
    Call: lambda cluster, member, message: cluster.incoming.called(member, message),
    Answer: lambda cluster, _member, message: cluster.outgoing.answered(message),
    Taken: lambda cluster, _member, message: cluster.outgoing.taken(message),
    Again: lambda cluster, _member, message: cluster.outgoing.again(message),
    Done: lambda cluster, member, message: cluster.incoming.done(member, message),
    Moved: Cluster._moved,  # noqa: SLF001 - the class's own table
    Push: lambda cluster, member, message: cluster.relay.pushed(member, message),
    Announce: lambda cluster, member, message: cluster.relay.announced(member, message),
    Announced: lambda cluster, member, _message: cluster.relay.all_announced(member),
    Activated: lambda cluster, _member, message: cluster.instance(message),
    Revoked: lambda cluster, _member, message: cluster.on_revoked(message.sids),
    Notice: lambda cluster, _member, message: cluster.on_notice(message.topic, message.keys),
    Recall: lambda cluster, member, message: cluster.recalls.asked(member, message),
    Recalled: lambda cluster, member, message: cluster.recalls.told(member, message),
    Unfollow: lambda cluster, member, message: cluster.relay.unfollowed(member, message),
    Digest: lambda cluster, member, message: cluster.relay.compare(member, message),
}


def _nothing() -> None:
    pass


def _ignore(*_told: object) -> None:
    pass


def _crashed(name: str, error: BaseException) -> None:
    log.error("cluster_task_failed", task=name, error=type(error).__name__, exc_info=error)
