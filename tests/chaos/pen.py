"""What one client writes: each command under one nonce, sent again until it is answered."""

from collections.abc import Callable, Collection, Iterator
from random import Random

from commonroom.codes import ErrorCode
from commonroom.protocol.chat import MessageEdit, MessageRemove, MessageSend
from commonroom.protocol.session import Error, Reply
from commonroom.protocol.timer import TimerStart
from commonroom.protocol.wire import Command
from tests.chaos.ledger import Ledger, Line
from tests.support.leak import CANARY

__all__ = ["AGAIN", "Pen", "retry_s"]

MOST_OPEN = 8
"""Unanswered commands beyond which a client begins no more."""

BURSTS = (1, 1, 1, 3, 6)
"""Lines that are begun at once, into one room: what keeps its order must have an order."""

EDITS, DELETIONS = 0.08, 0.03
"""Shares of what is written."""

AGAIN = frozenset({ErrorCode.RETRY, ErrorCode.RATE_LIMITED, ErrorCode.NOT_JOINED})
"""Refusals after which the same command is sent again."""


def retry_s(error: Error) -> float:
    """How long to wait before sending again."""
    return (100 if error.retry_after_ms is None else error.retry_after_ms) / 1000


class Pen:
    """The lines of one client.

    Args:
        every_s: mean time for a new line.
        refs: gives the next reference of the client.
        send: puts a command on the present socket, if there is one.
    """

    def __init__(
        self, name: str, ledger: Ledger, random: Random, every_s: float, refs: Iterator[int], send: Callable[[Command], None]
    ) -> None:
        self.lines: list[Line] = []
        self.open: dict[str, Line] = {}
        """Lines that wait for their answer, by nonce, oldest first."""
        self.resting = False
        """Begin nothing new."""
        self._name = name
        self._ledger = ledger
        self._random = random
        self._every_s = every_s
        self._refs = refs
        self._send = send
        self._asked: dict[int, Line] = {}
        self._own: dict[str, list[int]] = {}
        self._begun = 0
        self._socket = 0
        self._next_s = 0.0

    def lost(self) -> None:
        """The socket is over: what it was asked is not answered any more."""
        self._asked.clear()
        self._socket += 1

    def oldest_s(self) -> float | None:
        """When the oldest question on this socket was sent."""
        return min((line.sent_s for line in self._asked.values()), default=None)

    def write(self, rooms: Collection[str]) -> None:
        """Do what is due in the rooms that are joined: first what is open, then a new line."""
        now = self._ledger.now()
        asked = {line.nonce for line in self._asked.values()}
        for line in self.open.values():
            if line.nonce not in asked and now >= line.sent_s and line.room in rooms:
                self._say(line)
        if rooms and not self.resting and now >= self._next_s and len(self.open) < MOST_OPEN:
            number, room = self._random.choice(BURSTS), self._random.choice(sorted(rooms))
            self._next_s = now + self._random.expovariate(1 / self._every_s) * number
            for _ in range(number):
                self._invent(room)

    def start_timer(self, room: str, version: int) -> None:
        """Start the timer that is idle at `version`."""
        if not self.resting:
            self._begin(room, "timer.start", version)

    def answered(self, reply: Reply) -> None:
        line = self._asked.pop(reply.ref, None)
        if line is None or self.open.pop(line.nonce, None) is None:
            return
        self._ledger.acked(line, reply.offset)
        if line.kind == "message.send":
            self._own.setdefault(line.room, []).append(reply.offset)

    def refused(self, error: Error) -> None:
        """Final is only that a timer moved on."""
        line = self._asked.pop(error.ref, None)
        if line is None:
            self._ledger.fail(f"{self._name} was refused: {error}")
        elif error.code in AGAIN:
            line.sent_s = self._ledger.now() + retry_s(error)
            line.refused = True
        else:
            del self.open[line.nonce]
            self.lines.remove(line)
            if line.kind != "timer.start" or error.code != ErrorCode.CONFLICT:
                self._ledger.fail(f"{self._name}: {line.kind} {line.nonce} in {line.room} was refused: {error}")

    def _invent(self, room: str) -> None:
        """Mostly a message; now and then one's own is edited or deleted, unless that is being done already."""
        changing = {line.target for line in self.open.values() if line.room == room}
        own = [offset for offset in self._own.get(room, ()) if offset not in changing]
        roll = self._random.random() if own else 1.0
        if roll < EDITS:
            self._begin(room, "message.edit", self._random.choice(own))
        elif roll < EDITS + DELETIONS:
            doomed = self._random.choice(own)
            self._own[room].remove(doomed)
            self._begin(room, "message.delete", doomed)
        else:
            self._begin(room, "message.send")

    def _begin(self, room: str, kind: str, target: int = 0) -> None:
        self._begun += 1
        line = Line(room, f"{self._name}-{self._begun:07d}", kind, target)
        line.order, line.socket, line.first_s = self._begun, self._socket, self._ledger.now()
        self.lines.append(line)
        self.open[line.nonce] = line
        self._say(line)

    def _say(self, line: Line) -> None:
        line.tries += 1
        line.sent_s = self._ledger.now()
        self._ledger.counts["sent again"] += line.tries > 1
        ref = next(self._refs)
        self._asked[ref] = line
        self._send(_command(line, ref))


def _command(line: Line, ref: int) -> Command:
    match line.kind:
        case "message.edit":
            return MessageEdit(ref, line.room, line.target, f"{CANARY} {line.nonce} edited", line.nonce)
        case "message.delete":
            return MessageRemove(ref, line.room, line.target, line.nonce)
        case "timer.start":
            return TimerStart(ref, line.room, line.nonce, line.target)
        case _:
            return MessageSend(ref, line.room, f"{CANARY} {line.nonce}", line.nonce)
