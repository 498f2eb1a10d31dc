"""Founding rooms: how often (FEATURES P11), and how many all told (P34). The same over HTTP and by socket."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from commonroom.errors import LimitExceeded
from commonroom.identity import Authority
from commonroom.limit.limit import FOUNDINGS, ROOMS_FOUNDED, Part, cap_of
from commonroom.limit.limiter import Limiter, asks_of

__all__ = ["CountRooms", "Founding"]

CountRooms = Callable[[Sequence[str], str, int], Awaitable[int]]
"""(ids of principals, a room, most) → how many rooms they founded beside that one, counted up to `most`. Raises Unavailable."""


class Founding:
    """Whether somebody may found another room.

    Args:
        scale: of the caps; that of the limits is the limiter's.
    """

    def __init__(self, limiter: Limiter, count: CountRooms, scale: float) -> None:
        self._limiter = limiter
        self._count = count
        self._caps: Final = {kind: cap_of(amount, scale) for kind, amount in ROOMS_FOUNDED.items()}

    async def admit(self, authority: Authority, address: str, room: str) -> None:
        """Ask for one more, and use it up. One round trip to the limits' store and one statement at most.

        Args:
            address: where it comes from, as limits count it.
            room: its id, which may be that of a room they founded already (a retry).

        Raises:
            RateLimited: too often. That doubles the wait.
            LimitExceeded: they have as many as anybody may have.
            Unavailable: the database does not answer.
        """
        subject: dict[Part, str] = {"session": authority.sid, "address": address, "user": authority.principal.actor_id}
        verdict = await self._limiter.take(asks_of(FOUNDINGS, subject, authority.principal.actor_type))
        verdict.require()
        await self.check_cap(authority, room)

    async def check_cap(self, authority: Authority, room: str) -> None:
        """Count what they have founded, as the guests they were, too. The projection lags, so a few at once may pass.

        Raises:
            LimitExceeded, Unavailable: see `admit`.
        """
        cap = self._caps[authority.principal.actor_type]
        if cap is None:
            return
        founders = (authority.principal.actor_id, *authority.guests)
        if await self._count(founders, room, cap) >= cap:
            raise LimitExceeded(f"you have founded {cap} rooms, and that is as many as anybody may")
