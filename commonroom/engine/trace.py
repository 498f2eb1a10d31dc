"""What a node remembers of a connection: why it was closed, what was dropped (FEATURES P32)."""

from typing import Literal, NamedTuple

from msgspec import Struct

from commonroom.identity import Principal, SessionId

__all__ = ["ClosedBy", "Remembered", "Trace"]

ClosedBy = Literal["", "server", "client", "network"]
"""Who ended it. Empty: nobody yet. network: it broke without a closing handshake."""


class Trace(Struct, frozen=True, array_like=True, gc=False):
    """A connection that said hello, open or over. Moments in cluster ms.

    Attributes:
        session: its id, as `welcome` told it.
        principal: whose it is, or was at its end.
        sid: their login session.
        closed_at: None: it is open.
        code: close code as it was sent; 1006 where the network ended it, 0 while it is open.
        reason: that went with the code: ours, or the client's own.
        rooms: that it follows, or followed at its end.
        bytes_in: of its TCP connection, the handshake included; None: the system does not tell.
        bytes_out: those that the peer's system has acknowledged; None as above.
        bytes_owed: written or kept for it and not taken yet.
        slowed: times its outbox congested: it was not read from, and volatile pushes were reduced.
        dropped: volatile pushes that it did not get; a newer one or a fresh snapshot took their place.
        resumed: rooms that it came back to with a position.
        reset: rooms that it was told to join again, as their order could not be kept.
        refused: commands of its own making that were refused: malformed, not joined, too often.
    """

    session: str
    principal: Principal
    sid: SessionId
    opened_at: int
    closed_at: int | None
    closed_by: ClosedBy
    code: int
    reason: str
    rooms: int
    bytes_in: int | None
    bytes_out: int | None
    bytes_owed: int
    slowed: int
    dropped: int
    resumed: int
    reset: int
    refused: int


class Remembered(NamedTuple):
    """What all nodes remember together.

    Attributes:
        traces: each with its node's name, the latest opened first.
        complete: whether every node that is known answered in time.
    """

    traces: list[tuple[str, Trace]]
    complete: bool
