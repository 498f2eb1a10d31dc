"""The members of a cluster, as one immutable picture.

An *incarnation* is one life of a node: its id is new at every start and after every
expulsion, and never comes back. A member is an incarnation that beats.
"""

from msgspec import Struct

__all__ = ["Member", "View"]


class Member(Struct, frozen=True):
    """One incarnation of a node, as it describes itself with every beat.

    `weight` is its share of the slots relative to others; 0: it takes none and gives away
    what it has (it drains). `host` names the machine; `socket` is the path of its Unix
    socket there, empty where it has none. `version` is that of the program. `port` is the
    public one, `metrics_port` that of its metrics and admin listener.
    """

    id: str
    name: str
    host: str = ""
    socket: str = ""
    weight: float = 1.0
    version: str = ""
    port: int = 0
    metrics_port: int = 0


class View(Struct, frozen=True):
    """Who is alive, by the membership store.

    `doubtful`: members of before that have not beaten since a quiet period began; they are
    spoken to, but nothing is given to them. `version` grows with every change (and may restart after the store was wiped).
    `quiet`: the store came up, was wiped or its clock jumped less than 2 TTL ago; it
    knows only those who have beaten since, so nobody may be taken for dead. `expelled`:
    we ourselves are not a member any more and never will be under this id.
    `slots_version` differs whenever ownership may have changed since it was last read.
    """

    version: int = 0
    members: dict[str, Member] = {}
    quiet: bool = True
    expelled: bool = False
    slots_version: int = 0
    doubtful: dict[str, Member] = {}

    @property
    def reachable(self) -> dict[str, Member]:
        """All that may be alive."""
        return {**self.doubtful, **self.members} if self.doubtful else self.members
