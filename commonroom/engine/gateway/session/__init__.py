"""One client of the protocol on a node."""

from commonroom.engine.gateway.session.lobby import Lobby
from commonroom.engine.gateway.session.parking import MAX_PARKED
from commonroom.engine.gateway.session.session import Session

__all__ = ["MAX_PARKED", "Lobby", "Session"]
