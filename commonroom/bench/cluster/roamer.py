"""A person who may connect to any of several nodes, and goes to the next one when a socket is lost."""

from collections.abc import Sequence

from commonroom.bench.load.dialect import Commonroom
from commonroom.bench.load.person import Person, Site
from commonroom.bench.load.stream import StreamCheck

__all__ = ["Roamer"]


class Roamer(Person):
    """Says durable things; starts at the node in place `at`.

    Args:
        sites: the nodes, by place.
        times: the tally's name for the time that deliveries to this person take.
    """

    def __init__(self, sites: Sequence[Site], at: int, check: StreamCheck, room: str, number: int, *, times: str = "delivery") -> None:
        super().__init__(sites[at], Commonroom(durable=True), check, room, number)
        self.at = at
        self.lives = 0
        """How often it has connected and was in its room."""
        self._sites = sites
        self._delivery = self._tally.time(times)

    async def connect(self) -> None:
        """As any person's, to the node whose turn it is; after a failure it is the next one's."""
        self._site = self._sites[self.at]
        try:
            await super().connect()
        except (OSError, TimeoutError):
            self._elsewhere()
            raise
        self.lives += 1

    def lost(self) -> None:
        self._elsewhere()
        super().lost()

    def _elsewhere(self) -> None:
        self.at = (self.at + 1) % len(self._sites)
