"""People of a room."""

from typing import Literal

from msgspec import Struct

from commonroom.identity import Principal
from commonroom.protocol.wire import PersonName

__all__ = ["Person", "Role"]

Role = Literal["host", "cohost", "participant"]
"""One host, at most 20 co-hosts, everybody else."""


class Person(Struct, frozen=True, array_like=True):
    """Somebody in a room: names come from the edge, events carry ids only."""

    principal: Principal
    name: PersonName
    role: Role
