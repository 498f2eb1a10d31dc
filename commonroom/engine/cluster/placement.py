"""Which node should own which slot: weighted rendezvous hashing.

Each slot goes to the member with the highest score for it, where a score depends on
slot and member alone. So a member's coming or going moves its own share and nothing
else, and all nodes with the same view agree without talking.

Source: Thaler and Ravishankar 1998; the weights by the logarithm method of
Schindelhauer and Schomaker 2005: `-weight / ln(u)` with `u` uniform in (0, 1).
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from math import log

from commonroom.engine.address import SLOTS
from commonroom.engine.cluster.member import Member

__all__ = ["place"]


def place(members: Iterable[Member]) -> tuple[str | None, ...]:
    """The id of the member that should own each slot; None for all where nobody takes slots.

    Cost: 1 us for each slot and member that was not seen lately, else a tenth of it.
    """
    takers = [(member.id, member.weight, _luck(member.id)) for member in members if member.weight > 0]
    if not takers:
        return (None,) * SLOTS
    return tuple(max((-weight / luck[slot], name) for name, weight, luck in takers)[1] for slot in range(SLOTS))


@lru_cache(maxsize=256)
def _luck(member: str) -> tuple[float, ...]:
    """`ln(u)` of the member for each slot; always negative."""
    return tuple(log(_uniform(member, slot)) for slot in range(SLOTS))


def _uniform(member: str, slot: int) -> float:
    digest = blake2b(f"{member}:{slot}".encode(), digest_size=7).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**56
