"""Seeded histories with faults: what was acked is stored, once, in order (I2-I5, I7)."""

from random import Random

import pytest

from commonroom.config.settings import EngineSettings
from commonroom.engine.testing import Client, Faults, World
from commonroom.errors import CommonroomError
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.session import Reply
from tests.engine.diary import Diary

SEEDS = 100
STEPS = 60
ROOMS = ("one", "two")
FAULTS = Faults(before_commit=0.1, after_commit=0.1, refused=0.02, load=0.05)


class Person:
    """Sends lines; what got RETRY or no answer is sent again under its nonce, as a real client does."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.texts: dict[str, tuple[str, str]] = {}
        self.waiting: dict[int, str] = {}
        self.acked: dict[str, int] = {}
        self.once: dict[str, list[int]] = {room: [] for room in ROOMS}
        self.retried: set[str] = set()

    def write(self, room: str, text: str) -> None:
        nonce = f"nonce-{len(self.texts):04d}"
        self.texts[nonce] = (room, text)
        self._send(nonce)

    def collect(self) -> None:
        for ref in [ref for ref in self.waiting if ref in self.client.answers]:
            nonce = self.waiting.pop(ref)
            answer = self.client.answers.pop(ref)
            if isinstance(answer, CommonroomError):
                self.retried.add(nonce)
                continue
            assert isinstance(answer, Reply)
            assert self.acked.setdefault(nonce, answer.offset) == answer.offset
            if nonce not in self.retried:
                self.once[self.texts[nonce][0]].append(answer.offset)

    def retry(self) -> None:
        for nonce in self.texts:
            if nonce not in self.acked and nonce not in self.waiting.values():
                self.retried.add(nonce)
                self._send(nonce)

    def forget_answers(self) -> None:
        """The process died: nothing under way will be answered."""
        self.collect()
        self.retried.update(self.waiting.values())
        self.waiting.clear()

    def repeat(self, rng: Random) -> None:
        if self.texts:
            nonce = rng.choice(list(self.texts))
            self.retried.add(nonce)
            self._send(nonce)

    def _send(self, nonce: str) -> None:
        room, text = self.texts[nonce]
        self.waiting[self.client.send(MessageSend, room, text=text, nonce=nonce)] = nonce


@pytest.mark.parametrize("number", range(SEEDS))
def test_no_acked_line_is_lost_doubled_or_reordered(number: int, seed: int) -> None:
    rng = Random(seed + number)
    settings = EngineSettings(snapshot_events=8, idle_s=3, ring_events=16)
    with World({"room": Diary}, seed + number, settings=settings, faults=FAULTS) as world:
        people = [Person(world.client(name)) for name in ("alice", "bob", "carol")]
        for _ in range(STEPS):
            step(world, people, rng)
        calm_down(world, people)
        check(world, people)


def step(world: World, people: list[Person], rng: Random) -> None:
    person = rng.choice(people)
    match rng.random():
        case dice if dice < 0.55:
            text = f"alarm:{rng.randrange(100, 8000)}" if rng.random() < 0.15 else "line"
            person.write(rng.choice(ROOMS), text)
        case dice if dice < 0.65:
            person.repeat(rng)
        case dice if dice < 0.75:
            person.collect()
            person.retry()
        case dice if dice < 0.78:
            for each in people:
                each.forget_answers()
            world.restart()
        case _:
            world.advance(rng.choice((0.001, 0.01, 0.5, 5.0)))
    for each in people:
        each.collect()


def calm_down(world: World, people: list[Person]) -> None:
    """Faults stop; everything must finish in bounded virtual time."""
    world.journal.faults = Faults()
    for _ in range(40):
        world.advance(5)
        for person in people:
            person.collect()
            person.retry()
        if all(len(person.acked) == len(person.texts) for person in people):
            break
    world.advance(30)


def check(world: World, people: list[Person]) -> None:
    for person in people:
        assert set(person.acked) == set(person.texts), world
        for nonce, offset in person.acked.items():
            stored = world.journal.streams[f"room/{person.texts[nonce][0]}"].events
            keys = [event.offset for event in stored if event.dedup == f"c:{person.client.name}:{nonce}"]
            assert keys == [offset], f"{nonce} is stored at {keys}, acked at {offset} ({world})"
        for offsets in person.once.values():
            assert offsets == sorted(offsets), f"order of {person.client.name} is lost ({world})"
    for name, stream in world.journal.streams.items():
        assert [event.offset for event in stream.events] == list(range(1, stream.head + 1)), name
        alarms = sum(b"alarm:" in event.payload for event in stream.events)
        rung = [event.dedup for event in stream.events if event.dedup and event.dedup.startswith("d:")]
        assert len(rung) == len(set(rung)) == alarms, f"{alarms} alarms, rung {rung} ({world})"
