"""Requests of ours to other servers: bounded always, and guarded where somebody else chose the address."""

from commonroom.outbound.bounded import BoundedTransport, Bounds
from commonroom.outbound.error import AddressRefused, AnswerRefused, NoAnswer, NoConnection, OutboundError
from commonroom.outbound.guarded import Answer, GuardedClient

__all__ = [
    "AddressRefused",
    "Answer",
    "AnswerRefused",
    "BoundedTransport",
    "Bounds",
    "GuardedClient",
    "NoAnswer",
    "NoConnection",
    "OutboundError",
]
