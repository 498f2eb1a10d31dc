"""Outputs wait for the commits before them: shown implies committed (invariant I2)."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from commonroom.engine.envelope import Envelope
from commonroom.errors import InternalError

__all__ = ["Gate", "Output", "leave"]

Output = tuple[Callable[[Any, Any], None], Any, Any]
"""`origin.replied`, `.refused`, `.admitted` or `subscribers.publish`, with both its arguments."""

log = structlog.get_logger(__name__)


def leave(outputs: Sequence[Output]) -> None:
    """Let outputs go, in order. A receiver that raises harms no other's output."""
    for call, first, second in outputs:
        try:
            call(first, second)
        except Exception:  # the receiver's bug, supervised here
            log.exception("output_failed", receiver=getattr(call, "__qualname__", repr(call)))


class _Commit:
    """A commit under way: what leaves once it is durable, and whose commands those are."""

    __slots__ = ("envelopes", "head", "outputs")

    def __init__(self, head: int) -> None:
        self.head = head
        self.outputs: list[Output] = []
        self.envelopes: list[Envelope] = []

    def add(self, outputs: Sequence[Output], envelope: Envelope | None) -> None:
        self.outputs.extend(outputs)
        if envelope is not None:
            self.envelopes.append(envelope)


class Gate:
    """The commits under way of one activation, oldest first.

    The journal settles commits of one stream in order, so the outcome that comes is
    always the oldest commit's.
    """

    __slots__ = ("_commits",)

    def __init__(self) -> None:
        self._commits: deque[_Commit] | None = None

    def __len__(self) -> int:
        return len(self._commits) if self._commits else 0

    def begin(self, head: int) -> None:
        """A commit up to offset `head` goes to the journal: what follows waits for it."""
        if self._commits is None:
            self._commits = deque()
        self._commits.append(_Commit(head))

    def emit(self, outputs: Sequence[Output], envelope: Envelope | None) -> None:
        """One command's outputs: at once if nothing is under way, else behind it."""
        if self._commits:
            self._commits[-1].add(outputs, envelope)
        else:
            leave(outputs)

    def committed(self) -> int:
        """The oldest commit is durable: its outputs leave. Returns its head."""
        if not self._commits:
            raise InternalError("the journal settled a commit twice")
        commit = self._commits.popleft()
        leave(commit.outputs)
        return commit.head

    def abandon(self) -> list[Envelope]:
        """Drop all that waits; returns the commands that were not answered, in order."""
        left = [envelope for commit in self._commits or () for envelope in commit.envelopes]
        self._commits = None
        return left
