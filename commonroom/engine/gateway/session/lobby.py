"""What sessions need of their gateway."""

from typing import TYPE_CHECKING, Protocol

from commonroom.engine.address import Address
from commonroom.engine.gateway.fanout import RoomFanout
from commonroom.engine.gateway.hidden import HiddenPeople
from commonroom.engine.gateway.listing import Listings
from commonroom.engine.gateway.status import Statuses
from commonroom.engine.gateway.surroundings import Surroundings
from commonroom.identity import Authority, SessionId

if TYPE_CHECKING:
    from commonroom.engine.gateway.session.session import Session

__all__ = ["Lobby"]


class Lobby(Protocol):
    """The gateway, as its sessions see it."""

    around: Surroundings
    hidden: HiddenPeople
    listings: Listings
    statuses: Statuses
    history: int
    protocol: str

    def authenticate(self, token: str) -> Authority:
        """What a ws token proves.

        Raises:
            TokenExpired, Unauthenticated: nothing.
        """
        ...

    def new_session_id(self) -> str: ...

    def opened(self, session: "Session", sid: SessionId) -> None:
        """The session said hello."""
        ...

    def ended(self, session: "Session", sid: SessionId) -> None:
        """An opened session is over."""
        ...

    def fanout(self, address: Address) -> RoomFanout:
        """The fan-out of an address, made if there is none."""
        ...

    def release(self, fanout: RoomFanout) -> None:
        """A subscription left the fan-out: it may be over."""
        ...
