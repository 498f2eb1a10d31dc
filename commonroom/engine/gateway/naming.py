"""Which actors the ids of the wire mean: the one place where the gateway names kinds."""

from typing import Final

from commonroom.engine.address import Address

__all__ = ["ROOM", "USER", "address_of", "user_address"]

ROOM: Final = "room"
USER: Final = "user"


def address_of(room: str) -> Address:
    """The address of the actor behind a room id.

    Raises:
        Invalid: the id cannot be part of an address.
    """
    address = Address(ROOM, room)
    address.check()
    return address


def user_address(user: str) -> Address:
    """The address of the actor behind a user's id. Raises as `address_of`."""
    address = Address(USER, user)
    address.check()
    return address
