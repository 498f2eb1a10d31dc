"""Pushes from owners to gateways, and who follows what: both sides (DESIGN 5, 6).

As owner: one copy of a push to each gateway that follows. As gateway: what arrives goes
to the readers here; what is missing is read from the journal.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from msgspec import DecodeError, Struct, ValidationError

from commonroom.engine.address import Address, address_named
from commonroom.engine.cluster.call import pack_push, publication
from commonroom.engine.cluster.follower import Followers
from commonroom.engine.cluster.link import Links
from commonroom.engine.cluster.wire import Activated, Announce, Announced, Digest, Push, Unfollow, encode
from commonroom.engine.envelope import Admission, Detach, Envelope, Publication, Subscribers
from commonroom.engine.following import Following
from commonroom.errors import CommonroomError
from commonroom.protocol.wire import ServerMessage

__all__ = ["LocalGateway", "LocalHost", "OwnersWord", "Relay", "RelayStats"]

SLICE_SESSIONS = 500
SLICE_S = 0.005
"""500 sessions are 110 KB: 22 MB a second to one member."""

STUCK_DIGESTS = 3
"""So many digests must disagree, with neither side changing, before all is announced anew."""


class RelayStats(Struct):
    """Counts since the start."""

    pushes_out: int = 0
    pushes_in: int = 0
    announced: int = 0
    disagreements: int = 0
    ghosts: int = 0


class LocalGateway(Subscribers, Protocol):
    """The gateway of this node."""

    following: Following
    """Every address that a session here follows."""

    def sessions_of(self, address: Address) -> list[str]:
        """The sessions that follow an address."""
        ...

    def announce(self, address: Address) -> None:
        """Tell the address, wherever it lives, who follows it from here (`Attach`)."""
        ...

    def expect(self, address: Address, head: int) -> None:
        """The stream stands at `head`."""
        ...


class LocalHost(Protocol):
    """The actor host of this node."""

    def deliver(self, envelope: Envelope) -> None: ...

    def announce(self, address: Address) -> int | None:
        """The live instance's durable head, or None while one loads."""
        ...


class Relay:
    """Implements `Subscribers` for the host, `Arrivals` for the router.

    Args:
        later: the loop's `call_later`.
        grace_s: time a person stays present after their gateway died.
    """

    def __init__(
        self,
        links: Links,
        followers: Followers,
        *,
        later: Callable[..., Any],
        grace_s: float,
    ) -> None:
        self.stats = RelayStats()
        self.member_of: Callable[[Address], str | None] = _nobody
        """The other node that has an address; None: this one, or nobody."""
        self._slots_of: Callable[[str], Iterable[int]] = _nothing
        self._links = links
        self._gateway: LocalGateway
        self._followers = followers
        self._host: LocalHost
        self._later = later
        self._grace_s = grace_s
        self._heads: dict[str, dict[Address, int]] = {}
        self._announcing: dict[str, list[Address]] = {}
        self._disagreed: dict[str, tuple[int, int, int]] = {}

    def bind(
        self,
        host: LocalHost,
        gateway: LocalGateway,
        member_of: Callable[[Address], str | None],
        slots_of: Callable[[str], Iterable[int]],
    ) -> None:
        """The parts that are made after this one. `slots_of`: all that another node has."""
        self._host = host
        self._gateway = gateway
        self.member_of = member_of
        self._slots_of = slots_of

    # -- for the host (`Subscribers`) ----------------------------------------------------

    def publish(self, address: Address, publication: Publication) -> None:
        self._gateway.publish(address, publication)
        gateways = self._followers.of(address)
        if not gateways:
            return
        encoded = encode(pack_push(address, publication))
        for gateway in gateways:
            self.stats.pushes_out += 1
            if publication.offset:
                self._heads.setdefault(gateway, {})[address] = publication.offset
            self._links.send_encoded(gateway, encoded)

    def activated(self, address: Address, activation: str, head: int) -> None:
        self._gateway.activated(address, activation, head)
        # also to those who announced while it loaded: what they said may have died with an instance that failed to load
        for gateway in self._followers.of(address):
            self._links.send(gateway, Activated(str(address), head, fresh=True))

    def count(self, address: Address) -> int:
        return self._gateway.count(address) + self._followers.count(address)

    # -- for the router (`Arrivals`) -----------------------------------------------------

    def followed_in(self, slots: Iterable[int]) -> list[Address]:
        return self._gateway.following.within(slots)

    def announce_here(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            self._host.announce(address)

    def announce_to(self, member: str, addresses: Iterable[Address]) -> None:
        for address in addresses:
            self.stats.announced += 1
            self._links.send(member, Announce(str(address), self._gateway.sessions_of(address)))
            self._gateway.announce(address)

    # -- as owner ------------------------------------------------------------------------

    def announced(self, gateway: str, message: Announce) -> None:
        """A gateway says who follows an actor of ours."""
        address = address_named(message.address)
        self._detach(address, self._followers.announced(address, gateway, message.sessions))
        head = self._host.announce(address)
        if head is not None:
            self._links.send(gateway, Activated(message.address, head, fresh=False))

    def all_announced(self, gateway: str) -> None:
        """It has announced all it follows here."""
        for address, sessions in self._followers.confirmed(gateway):
            self._detach(address, sessions)

    def unfollowed(self, gateway: str, message: Unfollow) -> None:
        """Nobody there follows any more."""
        address = address_named(message.address)
        self._detach(address, self._followers.unfollowed(address, gateway))
        self._heads.get(gateway, {}).pop(address, None)

    def gone(self, gateway: str) -> None:
        """The gateway died. Its people stay present for the grace: most of them come back elsewhere."""
        self._heads.pop(gateway, None)
        self._disagreed.pop(gateway, None)
        self._announcing.pop(gateway, None)
        left = [(address, sessions) for address, sessions in self._followers.gone(gateway) if sessions]
        if left:
            self._later(self._grace_s, self._end_grace, left)

    def _end_grace(self, left: list[tuple[Address, list[str]]]) -> None:
        for address, sessions in left:
            self._detach(address, sessions)

    def _detach(self, address: Address, sessions: Iterable[str]) -> None:
        if self.member_of(address) is not None:
            return  # another's by now, which knows only who announced
        for session in sessions:
            if not self._followers.has(address, session):
                self.stats.ghosts += 1
                self._host.deliver(Envelope(address, Detach(), None, OWN, session))

    def digest(self, gateways: Iterable[str]) -> None:
        """Tell each gateway what we believe it follows, and where that stands."""
        for gateway in gateways:
            heads = self._heads.pop(gateway, {})
            told = [(str(address), head) for address, head in heads.items()]
            self._links.send(gateway, Digest(*self._followers.digest(gateway), told))

    # -- as gateway ----------------------------------------------------------------------

    def pushed(self, owner: str, push: Push) -> None:
        """A publication arrives."""
        address = address_named(push.address)
        if not self._gateway.count(address) or (not push.offset and self.member_of(address) != owner):
            return
        self.stats.pushes_in += 1
        try:
            given = publication(push)
        except (DecodeError, ValidationError):
            return  # a newer version's: a durable one is read again as a gap, and skipped by those who know it
        self._gateway.publish(address, given)

    def instance(self, message: Activated) -> None:
        """An owner tells of an instance."""
        address = address_named(message.address)
        if message.fresh:
            self._gateway.announce(address)
        self._gateway.expect(address, message.head)

    def lost_reader(self, address: Address) -> None:
        """The last session here that followed it is gone."""
        if (member := self.member_of(address)) is not None:
            self._links.send(member, Unfollow(str(address)))

    def announce_all(self, member: str) -> None:
        """Tell a member everything that is followed of it from here, a slice a moment: all at once would outgrow the transport."""
        addresses = self._gateway.following.within(self._slots_of(member))
        self._announcing[member] = addresses
        self._announce_slice(member, addresses)

    def _announce_slice(self, member: str, addresses: list[Address]) -> None:
        if self._announcing.get(member) is not addresses:
            return  # begun anew, or the member is gone
        sessions = 0
        while addresses and sessions < SLICE_SESSIONS:
            address = addresses.pop()
            sessions += 1 + self._gateway.count(address)
            if self.member_of(address) == member:
                self.announce_to(member, [address])
        if addresses:
            self._later(SLICE_S, self._announce_slice, member, addresses)
        else:
            del self._announcing[member]
            self._links.send(member, Announced())

    def compare(self, owner: str, digest: Digest) -> None:
        """What the owner believes; a lasting difference is mended by beginning anew."""
        for address, head in digest.heads:
            self._gateway.expect(address_named(address), head)
        mine = self._gateway.following.checksum(self._slots_of(owner))
        if mine == digest.checksum:
            self._disagreed.pop(owner, None)
            return
        before = self._disagreed.get(owner, (0, 0, 0))
        times = before[2] + 1 if before[:2] == (mine, digest.checksum) else 1
        self._disagreed[owner] = (mine, digest.checksum, times)
        if times >= STUCK_DIGESTS:
            self.stats.disagreements += 1
            del self._disagreed[owner]
            self._links.suspect(owner)

    def doubt(self, gateway: str) -> None:
        """What we know of a gateway may be wrong; it will announce all it follows."""
        self._followers.doubt(gateway)


class OwnersWord:
    """Origin of what an owner itself says to its actors: it means nothing to another owner, and nobody waits for an answer."""

    def replied(self, ref: int, message: ServerMessage) -> None: ...

    def refused(self, ref: int, error: CommonroomError) -> None: ...

    def admitted(self, ref: int, admission: Admission) -> None: ...


OWN = OwnersWord()


def _nobody(_address: Address) -> None:
    return None


def _nothing(_member: str) -> tuple[()]:
    return ()
