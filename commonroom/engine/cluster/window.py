"""Go-back-N between a gateway and an actor on another node (DESIGN 5).

Commands of one gateway to one actor are numbered 1, 2, 3 … in a *window*. The owner takes
only the next number, so whatever a link loses or repeats, an actor handles each command
once, in order (I5). Unanswered ones are kept here and, after a loss, sent again from the
oldest on; the owner answers those it has taken already from memory. If it took the
gateway for dead meanwhile it has forgotten the window, and begins it again at the oldest
that waits: each call then tells the one before it (`Call.after`), as between them others
may have been dealt with.

A farewell (`Detach`) waits until all before it was answered, even if it has been taken: a
join that goes to the next owner must not go there without it.

A window is for one epoch of the slot. When the slot has another owner the waiting
envelopes go there in a new window, oldest first; what the old owner had committed is
then recognised by its nonce (I4). What it had refused is not, if the refusal was lost
with it; so each envelope goes with the nonces of what its session sent after it, and
the next owner refuses it where one of these is stored already (I5).
"""

from collections import defaultdict

from commonroom.engine.address import Address
from commonroom.engine.cluster.call import expects_answer, pack_call
from commonroom.engine.cluster.wire import Answer, Call
from commonroom.engine.envelope import Attach, Detach, Envelope, Resync
from commonroom.engine.mailbox import SIGNALS

__all__ = ["ANNOUNCEMENTS", "MAX_LATER", "Intake", "Window"]

ANNOUNCEMENTS = frozenset({Attach, Resync})
"""Made anew, from who follows then, for the next owner or once a link is whole again."""

MAX_LATER = 32
"""What its session sent so many others behind is not sent to the next owner: each carries the nonces of all behind it."""

MAX_LATE = 10_000
"""Signals taken by the owner whose answer, if one ever comes, still finds its origin."""


class Window:
    """The sender's end.

    Args:
        number: larger than that of any earlier window of this gateway.
        epoch: the slot's.
    """

    __slots__ = ("_farewells", "_late", "_next", "_taken", "_waiting", "address", "commands", "epoch", "idle", "member", "number")

    def __init__(self, address: Address, number: int, epoch: int, member: str) -> None:
        self.address = address
        self.number = number
        self.epoch = epoch
        self.member = member
        self.idle = False
        """Whether nothing was sent since the last sweep."""
        self._next = 1
        self._taken = 0
        self._farewells = False  # some were taken and wait
        self._waiting: dict[int, Envelope] = {}
        self._late: dict[int, Envelope] = {}
        self.commands = 0
        """Those that wait and are no signals."""

    def __len__(self) -> int:
        """Envelopes that wait for an answer, or to be taken."""
        return len(self._waiting)

    @property
    def announces_only(self) -> bool:
        """Whether nothing waits but what is said anew when a link is: who follows."""
        return bool(self._waiting) and all(type(envelope.command) in ANNOUNCEMENTS for envelope in self._waiting.values())

    def add(self, envelope: Envelope) -> Call:
        """The call for the next envelope, which waits from now on."""
        seq, self._next = self._next, self._next + 1
        self._waiting[seq] = envelope
        self.commands += type(envelope.command) not in SIGNALS
        self.idle = False
        return pack_call(envelope, self.epoch, self.number, seq, self._done)

    def again(self) -> list[Call]:
        """Everything that waits, in order; an owner that took us for dead has forgotten what it took between these."""
        after = done = self._done
        calls: list[Call] = []
        for seq, envelope in self._waiting.items():
            calls.append(pack_call(envelope, self.epoch, self.number, seq, done, after=after))
            after = seq
        return calls

    def answered(self, seq: int) -> Envelope | None:
        """The envelope that is answered now; None: it was before. Farewells behind it may wait no more."""
        envelope = self._take(seq) if seq in self._waiting else self._late.pop(seq, None)
        if self._farewells:
            self._settle()
        if envelope is not None and next(iter(self._waiting), seq) < seq:
            self._overtake(seq, envelope)
        return envelope

    def _overtake(self, seq: int, answered: Envelope) -> None:
        """What waits from before it was refused, if anything: its answer comes no more unless the link loses nothing."""
        nonce = _nonce(answered)
        if nonce is None:
            return
        for place, envelope in self._waiting.items():
            if place > seq:
                return
            if envelope.session == answered.session and _nonce(envelope):
                envelope.later = (*envelope.later, nonce)

    def taken(self, upto: int) -> None:
        """The owner has taken all up to `upto`: those without a sure answer wait no more, but see the module's text."""
        self._taken = max(self._taken, upto)
        self._settle()

    def _settle(self) -> None:
        settled: list[int] = []
        owed = self._farewells = False
        for seq, envelope in self._waiting.items():
            if seq > self._taken:
                break
            if expects_answer(envelope):
                owed = True
            elif owed and type(envelope.command) is Detach:
                self._farewells = True
            else:
                settled.append(seq)
        for seq in settled:
            envelope = self._take(seq)
            if envelope.origin is not None:
                self._late[seq] = envelope
                if len(self._late) > MAX_LATE:  # the oldest was answered least likely
                    del self._late[next(iter(self._late))]

    def _take(self, seq: int) -> Envelope:
        envelope = self._waiting.pop(seq)
        self.commands -= type(envelope.command) not in SIGNALS
        return envelope

    def withdraw(self) -> list[Envelope]:
        """Give up the window; what waited, in order. Its session's order is with each: see `Envelope.later`."""
        left = list(self._waiting.values())
        _note_order(left)
        self._waiting.clear()
        self.commands = 0
        self._late.clear()
        return left

    def forget_late(self) -> None:
        """No signal sent so far will be answered any more."""
        self._late.clear()

    @property
    def _done(self) -> int:
        return next(iter(self._waiting), self._next) - 1


class Intake:
    """The owner's end of one window.

    Args:
        done: the sender has answers to all up to here.
    """

    __slots__ = ("_answers", "_next", "asked", "number")

    def __init__(self, number: int, done: int) -> None:
        self.number = number
        self.asked = False
        """Whether the sender was told of the present hole: once is enough, it sends all again."""
        self._next = done + 1
        self._answers: dict[int, Answer] = {}

    @property
    def upto(self) -> int:
        """The last number taken."""
        return self._next - 1

    def takes(self, call: Call) -> bool:
        """Whether this call is the next one of those that wait; it counts as taken then."""
        before = call.after or call.seq - 1
        if call.seq < self._next or before > max(self._next - 1, call.done):
            return False
        self._next = call.seq + 1
        self.asked = False
        if self._answers:
            self._forget(call.done)
        return True

    def misses(self, call: Call) -> bool:
        """Whether calls before this one have not arrived."""
        return call.seq > self._next

    def keep(self, answer: Answer) -> None:
        """Remember an answer until the sender has it."""
        self._answers[answer.seq] = answer

    def answer(self, seq: int) -> Answer | None:
        """The answer to a call that was taken before; None: not answered yet, or never will be."""
        return self._answers.get(seq)

    def _forget(self, done: int) -> None:
        for seq in [seq for seq in self._answers if seq <= done]:
            del self._answers[seq]


def _nonce(envelope: Envelope) -> str | None:
    return getattr(envelope.command, "nonce", None) if envelope.session is not None else None


def _note_order(envelopes: list[Envelope]) -> None:
    """Tell each envelope what its session sent after it."""
    behind: defaultdict[str | None, tuple[str, ...]] = defaultdict(tuple)
    for envelope in reversed(envelopes):
        nonce = _nonce(envelope)
        if nonce is None:
            continue
        session = behind[envelope.session]
        envelope.later = tuple(dict.fromkeys((*session, *envelope.later)))
        behind[envelope.session] = (nonce, *session)[: MAX_LATER + 1]
