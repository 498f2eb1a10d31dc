"""When a member speaks: durations count from the intended moment, and only one thing waits for its answer."""

from commonroom.bench.load.dialect import PlainWebSocket
from commonroom.bench.load.member import Member
from commonroom.bench.load.publisher import MAX_WAITING, Publisher
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.load.tally import Tally
from commonroom.clock import monotonic_us
from commonroom.protocol.frame import frame

LATE_US = 5_000_000


class Heard(Member):
    """A member whose network is a list: what it says is kept, what it hears is told."""

    async def enter(self) -> None:
        """It is in the room from the start."""

    def __init__(self, tally: Tally) -> None:
        check = StreamCheck(PlainWebSocket())
        super().__init__(PlainWebSocket(), check, tally, "room", 1)
        self.state = check.start(None)
        self.said: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.said.append(frame)

    def echo(self) -> None:
        """The oldest thing said comes back; a client's frame is a server's with a mask between, which is zero."""
        data = self.said.pop(0)
        at = 8 if data[1] & 0x7F == 126 else 6
        self.data_received(frame(data[at:]))


def speaking(*, closed_loop: bool, awaits: bool = True) -> tuple[Heard, Publisher, Tally]:
    tally = Tally()
    member = Heard(tally)
    publisher = Publisher(member, tally, 64, closed_loop=closed_loop, awaits=awaits)
    publisher.start()
    return member, publisher, tally


def test_in_a_closed_loop_the_answer_is_the_moment_of_the_next() -> None:
    member, publisher, tally = speaking(closed_loop=True)
    for _ in range(5):
        assert len(member.said) == 1
        member.echo()
    publisher.stop()
    member.echo()
    assert (tally.sent, tally.time("answer").count, tally.flaws, member.said) == (6, 6, Tally().flaws, [])
    assert publisher.is_done


def test_in_an_open_loop_what_waited_counts_from_its_intended_moment() -> None:
    member, publisher, tally = speaking(closed_loop=False)
    intended_us = monotonic_us() - LATE_US
    for step in range(3):
        publisher.offer(intended_us + step)
    assert (len(member.said), publisher.is_done) == (1, False)
    while member.said:
        member.echo()
    assert tally.time("answer").count == 3
    assert tally.time("answer").quantile_us(0) >= LATE_US
    assert tally.time("delivery").quantile_us(0) >= LATE_US


def test_what_is_told_about_something_else_is_no_answer() -> None:
    member, publisher, tally = speaking(closed_loop=True)
    member.data_received(frame(b"", 9))
    assert (publisher.is_done, tally.time("answer").count, len(member.said)) == (False, 0, 1)


def test_one_that_awaits_nothing_sends_what_is_due_at_once() -> None:
    member, publisher, tally = speaking(closed_loop=False, awaits=False)
    for _ in range(4):
        publisher.offer(monotonic_us())
    assert (len(member.said), tally.time("answer").count, publisher.is_done) == (4, 0, True)


def test_once_stopped_what_waits_is_not_said_but_what_was_said_is_answered() -> None:
    member, publisher, tally = speaking(closed_loop=False)
    publisher.offer(monotonic_us())
    publisher.offer(monotonic_us())
    publisher.stop()
    member.echo()
    assert (tally.sent, tally.time("answer").count, member.said, publisher.is_done) == (1, 1, [], True)


def test_moments_beyond_the_limit_are_counted_and_not_kept() -> None:
    _, publisher, tally = speaking(closed_loop=False)
    for _ in range(1 + MAX_WAITING + 3):
        publisher.offer(monotonic_us())
    assert tally.numbers == {"not sent in time": 3}
