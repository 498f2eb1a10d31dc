"""Who owns which slot: the table that is the authority of ownership (DESIGN 4, "Fence")."""

from typing import NamedTuple

__all__ = ["SlotOwner"]


class SlotOwner(NamedTuple):
    """A row of the slot table. `owner` None: nobody, anybody may claim it at any time."""

    slot: int
    epoch: int
    owner: str | None
