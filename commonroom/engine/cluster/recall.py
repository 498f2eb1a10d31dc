"""Asking all other nodes at once what they remember of somebody, over the links.

    ask ──► `Recall` to each ──► there: `on_asked` ──► `Recalled` ──► the answer, once all are in or `TIMEOUT_S` has passed

It is best effort: a node that is slow, cut off or of an older version is missing from the answer, and nothing is asked again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from commonroom.engine.cluster.wire import Message, Recall, Recalled
from commonroom.engine.trace import Trace
from commonroom.errors import Unavailable

__all__ = ["MAX_ACTORS", "MAX_ASKED", "MAX_TOLD", "TIMEOUT_S", "Recalls"]

TIMEOUT_S: Final = 1.0
MAX_ASKED: Final = 200
"""Questions under way."""

MAX_ACTORS: Final = 100
"""Of one question: a person and who they were."""

MAX_TOLD: Final = 200
"""Of one answer, the latest: about 40 KB."""


class _Question:
    """Who has not answered yet, and what the others said."""

    def __init__(self, members: Sequence[str]) -> None:
        self.missing = set(members)
        self.told: dict[str, Sequence[Trace]] = {}
        self.done = asyncio.Event()


class Recalls:
    """Questions and answers of one node.

    Args:
        send: says something to a member, best effort.
    """

    def __init__(self, send: Callable[[str, Message], None]) -> None:
        self._send = send
        self._asked: dict[int, _Question] = {}
        self._numbers = 0
        self.on_asked: Callable[[Sequence[str]], list[Trace]] = _nothing
        """What this node remembers of these principals' ids, the latest last; called on the loop."""

    async def ask(self, members: Sequence[str], actors: Sequence[str]) -> Mapping[str, Sequence[Trace]]:
        """What each of these members remembers of these people; who does not answer in time is missing.

        Raises:
            Unavailable: too much is asked already.
        """
        if len(self._asked) >= MAX_ASKED:
            raise Unavailable(f"{MAX_ASKED} questions to the other nodes are under way")
        self._numbers += 1
        number = self._numbers
        self._asked[number] = question = _Question(members)
        try:
            for member in members:
                self._send(member, Recall(number, list(actors[:MAX_ACTORS])))
            async with asyncio.timeout(TIMEOUT_S):
                if question.missing:
                    await question.done.wait()
        except TimeoutError:
            pass  # whoever is missing is told of by its absence
        finally:
            del self._asked[number]
        return question.told

    def asked(self, member: str, message: Recall) -> None:
        """Another node asks."""
        self._send(member, Recalled(message.number, self.on_asked(message.actors[:MAX_ACTORS])[-MAX_TOLD:]))

    def told(self, member: str, message: Recalled) -> None:
        """Another node answers, perhaps too late."""
        question = self._asked.get(message.number)
        if question is None or member not in question.missing:
            return
        question.missing.discard(member)
        question.told[member] = message.traces
        if not question.missing:
            question.done.set()


def _nothing(_actors: Sequence[str]) -> list[Trace]:
    return []
