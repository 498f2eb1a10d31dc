"""A node that cannot prove its ownership answers nothing from memory (I8), and keeps nobody waiting for ever."""

import pytest

from commonroom.engine.address import Address
from commonroom.engine.lease import Lease
from commonroom.engine.testing import World
from commonroom.errors import Unavailable
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.session import Reply
from commonroom.protocol.typing import TypingStart
from tests.engine.diary import Diary

TTL_S = 5.0


class Setting:
    """A world whose host has a lease, on the world's own time."""

    def __init__(self) -> None:
        self.lease = Lease(TTL_S, self._now_s)
        self.world = World({"room": Diary}, lease=self.lease)
        self.lease.prove(0.0)
        self.alice = self.world.client("alice")

    def _now_s(self) -> float:
        return self.world.loop.time()

    def prove(self) -> None:
        self.world.loop.call_soon(self.lease.prove, self.lease.asked_at())


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_commands_are_handled_while_the_lease_holds(setting: Setting) -> None:
    with setting.world:
        assert setting.alice.ask(MessageSend, "one", text="hello", nonce="nonce-0001") == Reply(1, 1)


def test_a_command_after_the_lapse_waits_for_the_proof(setting: Setting) -> None:
    with setting.world as world:
        setting.alice.join("one")
        world.advance(TTL_S + 1)
        ref = setting.alice.send(MessageSend, "one", text="hello", nonce="nonce-0001")
        world.advance(1)
        assert ref not in setting.alice.answers
        assert not world.journal.streams
        setting.prove()
        assert setting.alice.answer(ref) == Reply(ref, 1)


def test_reads_from_memory_wait_as_well(setting: Setting) -> None:
    with setting.world as world:
        setting.alice.join("one")
        world.advance(TTL_S + 1)
        ref = setting.alice.send(TypingStart, "one")
        world.advance(1)
        assert ref not in setting.alice.answers
        setting.prove()
        setting.alice.answer(ref)


def test_who_waits_too_long_is_told_to_try_again(setting: Setting) -> None:
    with setting.world as world:
        setting.alice.join("one")
        world.advance(TTL_S + 1)
        first = setting.alice.send(MessageSend, "one", text="hello", nonce="nonce-0001")
        with pytest.raises(Unavailable):
            setting.alice.answer(first)
        second = setting.alice.send(MessageSend, "one", text="hello", nonce="nonce-0001")
        with pytest.raises(Unavailable):
            setting.alice.answer(second)
        setting.prove()
        third = setting.alice.send(MessageSend, "one", text="hello", nonce="nonce-0001")
        assert setting.alice.answer(third) == Reply(third, 1)


def test_signals_outlast_the_wait(setting: Setting) -> None:
    with setting.world as world:
        setting.alice.join("one")
        world.advance(TTL_S + 1)
        setting.alice.send(MessageSend, "one", text="hello", nonce="nonce-0001")
        setting.alice.attach(Address("room", "one"))
        world.advance(20)
        activation = world.host._live[Address("room", "one")]
        assert len(activation.mailbox) == 1
        setting.prove()
        world.advance(1)
        assert not activation.mailbox


def test_a_proof_counts_from_when_it_was_asked_for(setting: Setting) -> None:
    with setting.world as world:
        asked_at_s = setting.lease.asked_at()
        world.advance(TTL_S + 1)
        setting.lease.prove(asked_at_s)
        assert not setting.lease.valid()
        setting.lease.prove(setting.lease.asked_at())
        assert setting.lease.valid()
