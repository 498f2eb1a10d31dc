"""A client of the kit: sends commands straight to a host and remembers what it hears."""

from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from commonroom.codes import ErrorCode
from commonroom.engine.address import Address
from commonroom.engine.envelope import Admission, Attach, Detach, Envelope, Publication
from commonroom.errors import CommonroomError, row_of
from commonroom.identity import Authority, Principal, SessionId
from commonroom.protocol.room import RoomJoin
from commonroom.protocol.wire import Command, ServerMessage

if TYPE_CHECKING:
    from commonroom.engine.testing.world import World

__all__ = ["Client"]

M = TypeVar("M", bound=ServerMessage)
YEAR_MS = 365 * 86400 * 1000


class Client:
    """One session of one person. Implements `Origin`; the world delivers its pushes.

    `pushes` holds what was pushed, oldest first; `answers` holds answers nobody took yet.
    """

    def __init__(self, world: "World", name: str) -> None:
        now = world.clock.now()
        self.name = name
        self.authority = Authority(Principal("guest", name), SessionId(name), name, now + YEAR_MS)
        self.pushes: list[ServerMessage] = []
        self.answers: dict[int, Struct | CommonroomError] = {}
        self.following: set[Address] = set()
        self._world = world
        self._refs = 0
        self._asked: dict[int, Address] = {}

    # -- what a person does ----------------------------------------------------

    def send(self, command: type[Command], room: str, **fields: Any) -> int:
        """Send without waiting; the command's ref."""
        self._refs += 1
        self._asked[self._refs] = Address("room", room)
        self._deliver(Address("room", room), command(ref=self._refs, **{"room": room, **fields}))
        return self._refs

    def ask(self, command: type[Command], room: str, **fields: Any) -> Struct:
        """Send and run the world until the answer is there.

        Raises:
            CommonroomError: the refusal.
        """
        return self.answer(self.send(command, room, **fields))

    def answer(self, ref: int) -> Struct:
        """The answer to an earlier `send`.

        Raises:
            CommonroomError: the refusal.
        """
        assert self._world.run_until(lambda: ref in self.answers), f"{self.name} got no answer to {ref} ({self._world})"  # noqa: S101
        answer = self.answers.pop(ref)
        if isinstance(answer, CommonroomError):
            raise answer
        return answer

    def join(self, room: str) -> Struct:
        """Follow a room; its snapshot."""
        return self.ask(RoomJoin, room)

    def leave(self, room: str) -> None:
        """Follow it no longer."""
        address = Address("room", room)
        self.following.discard(address)
        self._deliver(address, Detach())

    def attach(self, address: Address) -> None:
        """Be announced again, as a gateway does after a new activation."""
        self._deliver(address, Attach())

    # -- what a test asserts -----------------------------------------------------

    def assert_push(self, kind: type[M], **fields: Any) -> M:
        """A push of that type and those fields is there, or arrives; it is taken."""

        def found() -> M | None:
            fitting = (push for push in self.pushes if isinstance(push, kind) and _has(push, fields))
            return next(fitting, None)

        assert self._world.run_until(lambda: found() is not None), f"{self.name} was not pushed {kind.__name__} {fields}: {self.pushes}"  # noqa: S101
        push = found()
        assert push is not None  # noqa: S101
        self.pushes.remove(push)
        return push

    def refute_push(self, kind: type[ServerMessage], **fields: Any) -> None:
        """No such push is there, nor arrives while anything is under way."""
        self._world.settle()
        fitting = [push for push in self.pushes if isinstance(push, kind) and _has(push, fields)]
        assert not fitting, f"{self.name} was pushed {fitting}"  # noqa: S101

    def assert_reply(self, ref: int, kind: type[M]) -> M:
        """The answer to `ref` is of that type."""
        answer = self.answer(ref)
        assert isinstance(answer, kind), f"{self.name} got {answer}"  # noqa: S101
        return answer

    def assert_error(self, ref: int, code: ErrorCode) -> CommonroomError:
        """The answer to `ref` is an error of that code."""
        assert self._world.run_until(lambda: ref in self.answers), f"{self.name} got no answer to {ref}"  # noqa: S101
        answer = self.answers.pop(ref)
        assert isinstance(answer, CommonroomError), f"{self.name} got {answer}"  # noqa: S101
        assert row_of(answer).code is code, f"{self.name} got {answer!r}"  # noqa: S101
        return answer

    # -- Origin and delivery -------------------------------------------------------

    def replied(self, ref: int, message: ServerMessage) -> None:
        if ref:
            self._world.check_acked(self._asked.pop(ref), message)
            self.answers[ref] = message
        else:
            self.pushes.append(message)

    def refused(self, ref: int, error: CommonroomError) -> None:
        self._asked.pop(ref, None)
        self.answers[ref] = error

    def admitted(self, ref: int, admission: Admission) -> None:
        self._world.check_acked(self._asked.pop(ref), admission.snapshot)
        self.answers[ref] = admission.snapshot
        self.pushes.extend(publication.message for publication in admission.replay)

    def pushed(self, publication: Publication) -> None:
        """A publication of a followed room."""
        if publication.audience is None or publication.audience.admits(self.authority.principal):
            self.pushes.append(publication.message)

    def _deliver(self, address: Address, command: Command | Attach | Detach) -> None:
        if isinstance(command, RoomJoin):
            self.following.add(address)
        resume = None
        if isinstance(command, RoomJoin) and command.resume is not None:
            resume = (command.resume.history, command.resume.offset)
        self._world.deliver(Envelope(address, command, self.authority, self, self.name, resume))


def _has(push: ServerMessage, fields: dict[str, Any]) -> bool:
    return all(getattr(push, name) == value for name, value in fields.items())
