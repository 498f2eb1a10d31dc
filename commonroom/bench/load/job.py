"""What the controller and its workers say to each other: one JSON object a line."""

from typing import Any

from msgspec import Struct, field, json

from commonroom.bench.load.tally import Tally

__all__ = [
    "Act",
    "Failed",
    "Go",
    "Job",
    "Order",
    "Progress",
    "Report",
    "Said",
    "Sent",
    "Settle",
    "Stop",
    "Word",
    "decode_order",
    "decode_word",
    "encode",
]

Sent = dict[str, dict[int, int]]
"""By room and publisher: the last sequence number that every reader must get."""


class Job(Struct, tag=True):
    """Prepare this. Answered by `Progress` and, when all is ready, `Said("ready")`."""

    scenario: str
    url: str
    dialect: str
    parameters: dict[str, Any]
    shared: dict[str, Any]
    """What the scenario's `setup` gave."""
    share: int
    shares: int
    seed: int
    spins: bool = False
    """Poll instead of sleeping, see `spin`."""
    steered: bool = True
    """Clients name their room when they connect."""


class Go(Struct, tag=True):
    """Begin. Answered by `Sent` words when the scenario's work is done or stopped."""


class Stop(Struct, tag=True):
    """Begin nothing new."""


class Settle(Struct, tag=True):
    """All workers have stopped, and this is what they sent. Answered by `Report`."""

    sent: Sent


class Act(Struct, tag=True):
    """Do what a fault asks of the clients."""

    name: str


class Progress(Struct, tag=True):
    """How far preparation is, and later what was counted up to now."""

    done: int
    total: int
    delivered: int = 0
    answered: int = 0


class Said(Struct, tag=True):
    """A step is done: `ready`, or `driven` with what was sent."""

    what: str
    sent: Sent = field(default_factory=dict)


class Report(Struct, tag=True):
    """The worker's tally, its last word."""

    tally: Tally


class Failed(Struct, tag=True):
    """The worker cannot go on."""

    reason: str


Order = Job | Go | Stop | Settle | Act
Word = Progress | Said | Report | Failed

_ORDERS: Any = json.Decoder(Order)
_WORDS: Any = json.Decoder(Word)


def encode(message: Order | Word) -> bytes:
    """One line."""
    return json.encode(message) + b"\n"


def decode_order(line: bytes) -> Order:
    """What the controller wants."""
    order: Order = _ORDERS.decode(line)
    return order


def decode_word(line: bytes) -> Word:
    """What a worker says."""
    word: Word = _WORDS.decode(line)
    return word
