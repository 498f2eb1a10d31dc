"""Membership in Redis, in which everything may vanish between any two calls (DESIGN 5).

The scripts in `lua/` decide; here their answers are read, and not trusted.
"""

from typing import Final

import msgspec
from msgspec import Struct

from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.redis.client import ControlClient
from commonroom.engine.cluster.redis.script import load_script
from commonroom.errors import Unavailable

__all__ = ["RedisCoordination"]

TTL_MS = 5000
BEAT, LEAVE, EXPEL, NOTE_SLOTS = map(load_script, ("beat", "leave", "expel", "note_slots"))


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What `beat.lua` returns; `members` is None where the version that was named is right."""

    version: int
    quiet: bool
    expelled: bool
    slots_version: int
    members: list[Member] | None


DECODER: Final = msgspec.json.Decoder(Answer)


class RedisCoordination:
    """The members of `cluster`, under keys of one hash tag.

    Args:
        client: for control calls; the caller closes it.
        cluster: names the cluster; several may share a Redis.
        ttl_ms: a member that did not beat for so long is dead. A quiet period lasts twice
            as long from the moment the store was found empty, its clock went backwards, or
            no beat of anybody was seen for half as long.
    """

    def __init__(self, client: ControlClient, cluster: str, ttl_ms: int = TTL_MS) -> None:
        self._client = client
        self._ttl_ms = ttl_ms
        self._keys = [f"{{commonroom:{cluster}}}:{name}" for name in ("state", "members", "beats", "dead")]

    async def beat(self, member: Member, view: View) -> View:
        """Extend our life, end that of the expired, learn who lives: one atomic step.

        Raises:
            Unavailable: no answer within 0.5 s, or none that makes sense; whether it took effect is unknown.
        """
        description = msgspec.json.encode(member).decode()
        answer = await self._client.run(BEAT, self._keys, (self._ttl_ms, member.id, description, view.version))
        return merged(view, read(answer))

    async def leave(self, member: str) -> None:
        """End a life that is over by its own will. Raises Unavailable."""
        await self._client.run(LEAVE, self._keys, (member,))

    async def expel(self, member: str) -> bool:
        """End the life of a member that is proven dead; False within a quiet period. Raises Unavailable."""
        return await self._client.run(EXPEL, self._keys, (self._ttl_ms, member)) == 1

    async def note_slots(self) -> None:
        """Ownership changed: `slots_version` grows. Raises Unavailable."""
        await self._client.run(NOTE_SLOTS, self._keys, ())


def read(answer: object) -> Answer:
    """An answer of `beat.lua`.

    Raises:
        Unavailable: it is none; others may write to the same Redis.
    """
    if not isinstance(answer, bytes):
        raise Unavailable("redis: a beat was answered by what is no text")
    try:
        return DECODER.decode(answer)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unavailable(f"redis: the members make no sense: {error}") from None


def merged(view: View, answer: Answer) -> View:
    """What is known after `answer`: the members of `view`, unless it brought others."""
    members = view.members if answer.members is None else {member.id: member for member in answer.members}
    return View(answer.version, members, answer.quiet, answer.expelled, answer.slots_version)
