"""Envelopes for tests of the core, and where their answers go."""

from commonroom.engine.address import Address
from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Query, Resync
from commonroom.errors import CommonroomError
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.wire import ServerMessage

__all__ = ["ADA", "ROOM", "Asked", "line", "signal"]

ROOM = Address("room", "one")
ADA = Authority(Principal("guest", "ada"), SessionId("ada"), "Ada", 2**53)


class Asked:
    """An origin that keeps what it is told."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, ServerMessage]] = []
        self.refusals: list[tuple[int, CommonroomError]] = []

    def replied(self, ref: int, message: ServerMessage) -> None:
        self.replies.append((ref, message))

    def refused(self, ref: int, error: CommonroomError) -> None:
        self.refusals.append((ref, error))

    def admitted(self, ref: int, admission: Admission) -> None:
        raise AssertionError(f"nobody joined: {ref}, {admission}")


def line(ref: int, origin: Asked | None = None, address: Address = ROOM) -> Envelope:
    """A command that is answered."""
    return Envelope(address, MessageSend(ref, address.key, "text", f"nonce-{ref:06d}"), ADA, origin, "session")


def signal(command: Attach | Detach | Resync | Query, origin: Asked | None = None, address: Address = ROOM) -> Envelope:
    return Envelope(address, command, ADA, origin, "session")
