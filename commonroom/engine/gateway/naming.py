"""Which actors the ids of the wire mean: the one place where the gateway names kinds."""

import re
from typing import Final

from commonroom.engine.address import Address

__all__ = ["ROOM", "USER", "address_of", "user_address", "writable"]

ROOM: Final = "room"
USER: Final = "user"

NAME: Final = re.compile(r"(room/|user/)?[0-9a-z:._-]{0,120}")
"""An id, or the address behind it, as ids are made: what else a client calls a room may be anything that it wants to be read."""


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


def writable(where: str) -> str:
    """An id or address for the audit and the log, which hold nothing that somebody wrote."""
    return where if NAME.fullmatch(where) else "-"
