"""Effects in other actors: each happens once and in order, whatever fails on the way (I4)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from commonroom.clock import ClusterClock
from commonroom.config.settings import EngineSettings
from commonroom.engine.actor import Audience
from commonroom.engine.address import Address, slot_of, slot_of_address
from commonroom.engine.envelope import Publication
from commonroom.engine.host import ActorHost
from commonroom.engine.local import LocalRouter
from commonroom.engine.outbox import Outbox
from commonroom.engine.private import pack
from commonroom.errors import CommonroomError, InternalError, Unavailable
from commonroom.identity import Authority, Principal, SessionId
from commonroom.ids import new_id, seeded
from commonroom.protocol.chat import MessageCreate, MessageSend
from commonroom.protocol.codec import decode_event
from commonroom.protocol.session import Reply
from commonroom.protocol.wire import Command, ServerMessage
from commonroom.storage.journal.journal import PostgresJournal
from commonroom.storage.pool import Database
from commonroom.storage.projection.projection import SlotEvent
from commonroom.storage.projection.runner import ProjectionRunner
from tests.engine.diary import Diary
from tests.engine.ledger import Bookkeeping, Ledger

ADA = Authority(Principal("guest", "ada"), SessionId("ada"), "Ada", 2**50)
Fault = Callable[[Address, Awaitable[ServerMessage]], Awaitable[ServerMessage]]


async def honest(_target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
    """No fault."""
    return await answer


class Post(LocalRouter):
    """The way to the ledgers, with the fault that the test wants on it."""

    def __init__(self, host: ActorHost, fault: Fault) -> None:
        super().__init__(host)
        self.fault = fault
        self.sent: list[str | None] = []

    async def ask(
        self, address: Address, command: Command, authority: Authority | None, timeout_s: float = 5.0, key: str | None = None
    ) -> ServerMessage:
        self.sent.append(key)
        return await self.fault(address, super().ask(address, command, authority, timeout_s, key))


class Nobody:
    """No subscribers."""

    def publish(self, address: Address, publication: Publication) -> None:
        pass

    def activated(self, address: Address, activation: str, head: int) -> None:
        pass

    def count(self, address: Address) -> int:
        return 0


class Process:
    """What dies at once: actors, projections and what they hold in memory."""

    def __init__(self, town: "Town", fault: Fault) -> None:
        kinds = {"room": Diary, "ledger": Ledger}
        self.host = ActorHost(EngineSettings(), ClusterClock(), town.journal, Nobody(), kinds, seeded(town.name))
        self.router = LocalRouter(self.host)
        self.post = Post(self.host, fault)
        self.lines: list[str] = []
        self.runner = self.another(town)

    def another(self, town: "Town") -> ProjectionRunner:
        """A runner with an outbox of its own."""
        return ProjectionRunner(town.database, town.journal, [Outbox(Bookkeeping(town.name), self.post)], self.lines.append)

    async def die(self) -> None:
        await self.runner.close()
        await self.host.crash()

    def troubles(self, stream: str) -> list[str]:
        return [line for line in self.lines if stream in line]


class Town:
    """Rooms whose messages are effects in ledgers, over the real journal."""

    def __init__(self, database: Database, journal: PostgresJournal) -> None:
        self.database = database
        self.journal = journal
        self.name = new_id(1)
        self.parts = AsyncExitStack()
        self._said = 0

    async def process(self, fault: Fault = honest, *, run: bool = True) -> Process:
        process = Process(self, fault)
        await process.host.open()
        self.parts.push_async_callback(process.die)
        if run:
            await process.runner.start()
        return process

    def room(self, number: int, slot: int | None = None) -> Address:
        """A room of ours, in that slot if one is given."""
        return self._address("room", f"{self.name}.{number}", slot)

    def ledger(self, slot: int) -> str:
        """The short name of a ledger in that slot."""
        return self._address("ledger", f"{self.name}.z", slot).key.removeprefix(f"{self.name}.")

    @staticmethod
    def _address(kind: str, key: str, slot: int | None) -> Address:
        found = (Address(kind, f"{key}x{nth}") for nth in range(100_000))
        return Address(kind, key) if slot is None else next(one for one in found if slot_of_address(one) == slot)

    async def say(self, process: Process, room: Address, text: str) -> None:
        self._said += 1
        command = MessageSend(1, room.key, text, f"nonce-{self._said:04d}")
        assert isinstance(await process.router.ask(room, command, ADA), Reply)

    async def written(self, ledger: str) -> list[str]:
        """The durable lines of a ledger."""
        events = await self.journal.read(f"ledger/{self.name}.{ledger}", 0, 10_000)
        return [event.text for event in map(decode_event, (one.payload for one in events)) if isinstance(event, MessageCreate)]

    async def keys(self, ledger: str) -> list[str | None]:
        return [event.dedup for event in await self.journal.read(f"ledger/{self.name}.{ledger}", 0, 10_000)]

    async def parked(self) -> list[str]:
        rows = await self.database.fetch("SELECT stream FROM parked WHERE projection = $1", f"outbox {self.name}")
        return [row["stream"] for row in rows if self.name in row["stream"]]


@pytest.fixture(scope="module")
def dsn(own_dsn: str) -> str:
    """Its hosts own every slot: they would load what other tests left due."""
    return own_dsn


@pytest.fixture
async def town(database: Database, journal: PostgresJournal) -> AsyncIterator[Town]:
    town = Town(database, journal)
    async with town.parts:
        yield town


async def caught_up(*runners: ProjectionRunner) -> None:
    async with asyncio.timeout(30):
        for runner in runners:
            await runner.caught_up()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def test_an_event_takes_effect_in_other_actors_in_the_order_of_its_stream(town: Town) -> None:
    process = await town.process()
    room = town.room(1)
    for text in ("a: one", "a b: two", ": nothing", "a b: three"):
        await town.say(process, room, text)
    await caught_up(process.runner)
    assert (await town.written("a"), await town.written("b")) == (["one", "two", "three"], ["two", "three"])
    stream = str(room)
    assert await town.keys("a") == [f"o:{stream}:1:{town.name}.0", f"o:{stream}:2:{town.name}.0", f"o:{stream}:4:{town.name}.0"]
    assert await town.keys("b") == [f"o:{stream}:2:{town.name}.1", f"o:{stream}:4:{town.name}.1"]
    assert process.troubles(str(room)) == []


async def test_a_crash_between_effect_and_checkpoint_does_nothing_twice(town: Town) -> None:
    acted, never = asyncio.Event(), asyncio.Event()

    async def crash(_target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
        message = await answer
        acted.set()
        await never.wait()
        return message

    first = await town.process(crash)
    await town.say(first, town.room(1), "a: one")
    await asyncio.wait_for(acted.wait(), 20)
    await first.die()
    assert await town.written("a") == ["one"]
    second = await town.process()
    await caught_up(second.runner)
    await town.say(second, town.room(1), "a: two")
    await caught_up(second.runner)
    assert second.post.sent[0] == f"o:{town.room(1)}:1:{town.name}.0", "the effect was not tried again: the test proves nothing"
    assert await town.written("a") == ["one", "two"]


async def test_a_restart_repeats_nothing(town: Town) -> None:
    for number in range(3):
        process = await town.process()
        await town.say(process, town.room(1), f"a: {number}")
        await caught_up(process.runner)
        await process.die()
    last = await town.process()
    await caught_up(last.runner)
    assert last.post.sent == []
    assert await town.written("a") == ["0", "1", "2"]


async def test_a_target_that_is_away_gets_its_effects_when_it_is_back_and_others_do_not_wait(town: Town) -> None:
    back = asyncio.Event()

    async def away(target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
        if target.key.endswith(".a") and not back.is_set():
            answer.close()  # type: ignore[attr-defined]
            raise Unavailable("away")
        return await answer

    process = await town.process(away)
    await town.say(process, town.room(1), "a b: one")
    await town.say(process, town.room(2), "a: two")
    await until(lambda: any("away" in line for line in process.lines))
    assert (await town.written("a"), await town.written("b")) == ([], ["one"])
    back.set()
    await caught_up(process.runner)
    assert (sorted(await town.written("a")), await town.written("b")) == (["one", "two"], ["one"])
    assert await town.parked() == []


async def test_whatever_is_lost_each_effect_happens_once_and_in_order(town: Town, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and answers are lost at random, two runners work on all slots, one dies amid it."""
    monkeypatch.setattr("commonroom.storage.projection.follower.LONGEST_PAUSE_S", 0.05)
    random = seeded(f"outbox {seed}")

    async def lossy(_target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
        chance = random.random()
        if chance < 0.1:
            answer.close()  # type: ignore[attr-defined]
            raise Unavailable("the command was lost")
        message = await answer
        if chance < 0.2:
            raise Unavailable("the answer was lost")
        return message

    process = await town.process(lossy)
    rival = process.another(town)
    await rival.start()
    rooms = [town.room(number) for number in range(4)]
    said: dict[Address, list[str]] = {room: [] for room in rooms}
    for number in range(60):
        room = random.choice(rooms)
        said[room].append(f"{room.key} {number}")
        await town.say(process, room, f"a b: {said[room][-1]}")
        if number == 30:
            await rival.close()
            rival = process.another(town)
            await rival.start()
        rival.wake(slot_of_address(room))
    await caught_up(process.runner, rival)
    await rival.close()
    for ledger in ("a", "b"):
        lines = await town.written(ledger)
        assert {room: [line for line in lines if line.startswith(f"{room.key} ")] for room in rooms} == said, f"seed {seed}"
    assert await town.parked() == []


async def test_a_refused_effect_parks_its_stream_and_the_slot_goes_on(town: Town) -> None:
    process = await town.process()
    await caught_up(process.runner)
    slot = slot_of(f"room/{town.name}")
    poisoned, healthy = town.room(1, slot), town.room(2, slot)
    await town.say(process, poisoned, "a b: so bad")
    await town.say(process, poisoned, "b: behind it")
    await town.say(process, healthy, "a: fine")
    await caught_up(process.runner)
    assert (await town.written("a"), await town.written("b")) == (["fine"], [])
    assert await town.parked() == [str(poisoned)]
    assert process.runner.position(slot) == town.journal.position(slot)
    (alarm,) = process.troubles(str(poisoned))
    assert "refuses MessageSend: bad" in alarm


async def test_what_was_parked_is_tried_again_after_the_slot_has_opened_and_does_not_hold_it_up(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await town.process()
    await town.say(first, town.room(1), "a: not so bad")
    await caught_up(first.runner)
    await first.die()
    assert await town.parked() == [str(town.room(1))]
    monkeypatch.setattr(Ledger, "receive", lambda self, ctx, command: Diary._log(self, ctx, command.text, None))
    opened = asyncio.Event()

    async def here_once_open(_target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
        if not opened.is_set():
            answer.close()  # type: ignore[attr-defined]
            raise Unavailable("on its way")
        return await answer

    second = await town.process(here_once_open, run=False)
    await asyncio.wait_for(second.runner.start(), 20)
    await until(lambda: any("on its way" in line for line in second.lines))
    opened.set()
    await caught_up(second.runner)
    assert await town.written("a") == ["not so bad"]
    assert await town.parked() == []


async def test_a_target_that_never_answers_holds_a_closing_slot_up_for_a_round_at_most(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonroom.engine.outbox.ROUND_S", 0.2)
    asked, never = asyncio.Event(), asyncio.Event()

    async def silent(_target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
        answer.close()  # type: ignore[attr-defined]
        asked.set()
        await never.wait()
        raise AssertionError

    first = await town.process(silent)
    await town.say(first, town.room(1), "a: one")
    await asyncio.wait_for(asked.wait(), 20)
    async with asyncio.timeout(20):
        await first.runner.close_slots([slot_of_address(town.room(1))])
    assert await town.written("a") == []
    await first.die()
    await caught_up((await town.process()).runner)
    assert await town.written("a") == ["one"]


async def test_an_effect_is_taken_by_a_slot_that_waits_for_its_projections(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a slot with effects in itself would wait for ever."""
    monkeypatch.setattr("commonroom.storage.journal.journal.MAX_LAG_EVENTS", 2)
    opened = asyncio.Event()

    async def later(_target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
        await opened.wait()
        return await answer

    process = await town.process(later)
    slot = slot_of(f"room/{town.name}")
    room, ledger = town.room(1, slot), town.ledger(slot)
    for number in range(3):
        await town.say(process, room, f"{ledger}: {number}")
    with pytest.raises(Unavailable):
        await town.say(process, room, f"{ledger}: too much")
    opened.set()
    await caught_up(process.runner)
    assert await town.written(ledger) == ["0", "1", "2"]
    await town.say(process, room, f"{ledger}: 3")


async def test_a_batch_too_large_for_a_round_ends_all_the_same(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was answered is not asked again, else a batch beyond the target's ring of keys would never end."""
    monkeypatch.setattr("commonroom.storage.projection.follower.LONGEST_PAUSE_S", 0.05)
    left = [5]

    async def tired(_target: Address, answer: Awaitable[ServerMessage]) -> ServerMessage:
        if not left[0]:
            answer.close()  # type: ignore[attr-defined]
            left[0] = 5
            raise Unavailable("no time left")
        left[0] -= 1
        return await answer

    process = await town.process(tired, run=False)
    for number in range(17):
        await town.say(process, town.room(1), f"a: {number}")
    await process.runner.start()
    await caught_up(process.runner)
    assert await town.written("a") == [str(number) for number in range(17)]
    assert len(process.post.sent) == 17 + 3


@pytest.mark.parametrize("key", ["", "x" * 200])
async def test_an_address_that_cannot_be_one_parks_its_stream(town: Town, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    process = await town.process()
    effects = Bookkeeping.effects

    def elsewhere(self: Bookkeeping, stream: str, event: Any) -> Iterable[Any]:
        return [one._replace(address=Address("ledger", key)) for one in effects(self, stream, event)]

    monkeypatch.setattr(Bookkeeping, "effects", elsewhere)
    await town.say(process, town.room(1), "a: one")
    await caught_up(process.runner)
    assert (await town.parked(), process.post.sent) == ([str(town.room(1))], [])


async def test_an_effect_has_no_sender_whose_name_could_be_asked(town: Town) -> None:
    process = await town.process()
    command = MessageSend(1, "diary", "who", "nonce-0001")
    with pytest.raises(CommonroomError) as refused:
        await process.post.ask(town.room(9), command, None, key="o:room/x:1:test.0")
    assert isinstance(refused.value, InternalError)
    assert await town.journal.read(str(town.room(9)), 0, 10) == []


def test_nothing_follows_elsewhere_from_what_is_not_for_everybody() -> None:
    said = MessageCreate("a", 1, 1, ADA.principal, "n", "z: hello")
    column = pack(None, Audience(only=frozenset({ADA.principal})))[1]
    outbox = Outbox(Bookkeeping("town"), Post(None, honest))  # type: ignore[arg-type]
    assert len(outbox._sorted([SlotEvent("room/town", 1, said, None)])) == 1
    assert outbox._sorted([SlotEvent("room/town", 1, said, column)]) == []
