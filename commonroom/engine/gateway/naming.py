"""Which actor a room id of the wire means: the one place where the gateway names a kind."""

from typing import Final

from commonroom.engine.address import Address

__all__ = ["ROOM", "address_of"]

ROOM: Final = "room"


def address_of(room: str) -> Address:
    """The address of the actor behind a room id.

    Raises:
        Invalid: the id cannot be part of an address.
    """
    address = Address(ROOM, room)
    address.check()
    return address
