"""What a transport counts."""

from msgspec import Struct

__all__ = ["TransportStats"]


class TransportStats(Struct):
    """Counters since the start, and one gauge.

    Attributes:
        parcels_out: parcels taken for sending.
        parcels_in: parcels received.
        publish_calls: pipelines of PUBLISH sent; `parcels_out` over it is the batch size.
        dropped: parcels and nudges refused here, or of unknown outcome when a call failed.
        unreceived: those that reached no node.
        resubscriptions: times the listener began again.
        commands: Redis commands sent.
        queued_bytes: waiting or in flight now.
    """

    parcels_out: int = 0
    parcels_in: int = 0
    publish_calls: int = 0
    dropped: int = 0
    unreceived: int = 0
    resubscriptions: int = 0
    commands: int = 0
    queued_bytes: int = 0
