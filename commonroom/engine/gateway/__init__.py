"""Sockets and sessions: bytes to commands, pushes to many readers. Knows no actor but by its address."""

from commonroom.engine.gateway.gateway import Authenticate, Gateway
from commonroom.engine.gateway.reading import ReadEvents

__all__ = ["Authenticate", "Gateway", "ReadEvents"]
