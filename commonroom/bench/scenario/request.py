"""Request and reply: the smallest command that goes all the way to an actor and back."""

from typing import Annotated

from msgspec import Meta, Struct

from commonroom.bench.load.dialect import Commonroom
from commonroom.bench.load.job import Sent
from commonroom.bench.load.payload import MIN_BYTES
from commonroom.bench.load.person import COMMAND_REF, Person
from commonroom.bench.load.publisher import Publisher
from commonroom.bench.load.stream import StreamCheck
from commonroom.bench.report.result import Result, Row, ms
from commonroom.bench.scenario.fanout import Speaking
from commonroom.protocol.typing import TypingStop

__all__ = ["Request"]


class Parameters(Struct):
    """Options."""

    sockets: Annotated[int, Meta(ge=1, description="sockets")] = 100
    rooms: Annotated[int, Meta(ge=1, description="rooms they are spread over")] = 25
    rate_per_s: Annotated[float, Meta(ge=0, description="requests a second in all; 0: each socket waits for its last one")] = 0.0


class _Asker(Person):
    """Stops typing where nobody types: the room is asked, changes nothing and answers."""

    def say(self, intended_us: int, size_bytes: int) -> None:
        self.sent += 1
        self._tally.sent += 1
        self._unanswered = self._speech.command(TypingStop(COMMAND_REF, self.room))
        self.write(self._unanswered)

    def is_answered(self) -> bool:
        return self._unanswered is None


class Request(Speaking):
    """The smallest command that goes all the way to an actor, and its reply."""

    name = "request"
    parameter_type = Parameters

    @classmethod
    def keeps(cls, parameters: Parameters) -> bool:
        return False

    async def prepare(self) -> None:
        wanted, rooms, load = self.parameters, self.load.shared["rooms"], self.load
        for number in load.mine(wanted.sockets):
            room = rooms[number % len(rooms)]
            if load.dialect == "commonroom":
                speech = Commonroom(durable=False, names_room=load.steered)
                self.members.append(_Asker(load.site, speech, load.checks.setdefault(room, StreamCheck(speech)), room, number))
            else:  # an echo server: everybody is alone
                self.members.append(load.member(f"{room}-{number}", number))
        self.publishers = [Publisher(member, load.site.tally, MIN_BYTES, closed_loop=not wanted.rate_per_s) for member in self.members]
        await load.enter(self.members)

    def sent(self) -> Sent:
        """Answers are waited for one by one."""
        return {}

    @classmethod
    def rows(cls, result: Result, parameters: Parameters) -> list[Row]:
        answers = result.tally.time("answer")
        return [
            Row("replies per server-CPU-second", result.per_cpu_s(answers.count)),
            Row("replies per second", answers.count / result.seconds),
            Row("reply p99", ms(answers, 0.99), "ms"),
        ]
