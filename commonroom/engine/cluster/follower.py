"""Which gateways follow the actors of this node: the owner's side of fan-out and presence.

One copy of a push goes to each gateway that follows, whatever the number of its readers.
Sessions are kept besides, so that a gateway's death takes them out of the rooms: after a
grace, for most of them are back within seconds through another gateway (DESIGN 5).
"""

from collections.abc import Iterable

from commonroom.engine.address import Address
from commonroom.engine.following import number_of

__all__ = ["Followers"]

_Sessions = set[str]


class Followers:
    """Gateways by address. A gateway is named by its incarnation."""

    def __init__(self) -> None:
        self._gateways: dict[Address, dict[str, _Sessions]] = {}
        self._unconfirmed: dict[str, set[Address]] = {}
        self._sums: dict[str, tuple[int, int]] = {}  # by gateway: how many it follows, and their checksum

    def of(self, address: Address) -> Iterable[str]:
        """The gateways that follow an address."""
        return self._gateways.get(address, ())

    def count(self, address: Address) -> int:
        """How many they are."""
        gateways = self._gateways.get(address)
        return 0 if gateways is None else len(gateways)

    def joined(self, address: Address, gateway: str, session: str) -> None:
        """A session of the gateway is about to follow, or says that it does."""
        self._begin(address, gateway).add(session)

    def left(self, address: Address, gateway: str, session: str) -> None:
        """It does not any more."""
        sessions = self._gateways.get(address, {}).get(gateway)
        if sessions is not None:
            sessions.discard(session)

    def announced(self, address: Address, gateway: str, sessions: Iterable[str]) -> list[str]:
        """The gateway's sessions are these and no others; those that it had and has not any more."""
        listed = set(sessions)
        ghosts = self._begin(address, gateway) - listed
        self._gateways[address][gateway] = listed
        self._unconfirmed.get(gateway, set()).discard(address)
        return sorted(ghosts)

    def unfollowed(self, address: Address, gateway: str) -> list[str]:
        """Nobody there follows; the sessions it had."""
        gateways = self._gateways.get(address)
        if gateways is None or gateway not in gateways:
            return []
        self._count(address, gateway, -1)
        sessions = sorted(gateways.pop(gateway))
        if not gateways:
            del self._gateways[address]
        return sessions

    def doubt(self, gateway: str) -> None:
        """What we know of the gateway may be wrong; it will announce all it follows."""
        self._unconfirmed[gateway] = {address for address, gateways in self._gateways.items() if gateway in gateways}

    def confirmed(self, gateway: str) -> list[tuple[Address, list[str]]]:
        """It has announced all: what it did not name, it does not follow."""
        return [(address, self.unfollowed(address, gateway)) for address in sorted(self._unconfirmed.pop(gateway, ()))]

    def gone(self, gateway: str) -> list[tuple[Address, list[str]]]:
        """The gateway is dead: what it followed, with its sessions."""
        self._unconfirmed.pop(gateway, None)
        followed = [address for address, gateways in self._gateways.items() if gateway in gateways]
        return [(address, self.unfollowed(address, gateway)) for address in followed]

    def has(self, address: Address, session: str) -> bool:
        """Whether any gateway has this session here."""
        return any(session in sessions for sessions in self._gateways.get(address, {}).values())

    def forget(self, addresses: Iterable[Address]) -> None:
        """These are another node's now."""
        for address in addresses:
            for gateway in self._gateways.pop(address, ()):
                self._count(address, gateway, -1)
                self._unconfirmed.get(gateway, set()).discard(address)

    def clear(self) -> None:
        """Nobody follows anything here."""
        self._gateways.clear()
        self._unconfirmed.clear()
        self._sums.clear()

    def addresses(self) -> list[Address]:
        """All that anybody follows."""
        return list(self._gateways)

    def digest(self, gateway: str) -> tuple[int, int]:
        """How many addresses a gateway follows, and their `checksum`."""
        return self._sums.get(gateway, (0, 0))

    def _begin(self, address: Address, gateway: str) -> _Sessions:
        """The gateway's sessions of an address that it follows from now on, if it did not."""
        gateways = self._gateways.setdefault(address, {})
        if gateway not in gateways:
            gateways[gateway] = set()
            self._count(address, gateway, 1)
        return gateways[gateway]

    def _count(self, address: Address, gateway: str, more: int) -> None:
        number, total = self._sums.get(gateway, (0, 0))
        if number + more:
            self._sums[gateway] = number + more, total ^ number_of(address)
        else:
            del self._sums[gateway]
