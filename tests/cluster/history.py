"""One seeded history of a cluster under every fault the kit knows, and what must hold after it (DESIGN 10)."""

from collections.abc import Callable
from hashlib import blake2b
from random import Random

from commonroom.config.settings import ClusterSettings, EngineSettings
from commonroom.engine.testing.cluster.client import ClusterClient
from commonroom.engine.testing.cluster.network import Conditions
from commonroom.engine.testing.cluster.node import Node
from commonroom.engine.testing.cluster.world import ClusterWorld
from tests.cluster.hall import Hall, SlowHall
from tests.cluster.verdict import Verdict

__all__ = ["REPLAY", "History", "run"]

REPLAY = "make sim FROM={seed} SEEDS=1"
"""Plays one history again, exactly."""

ROOMS = ("one", "two", "three", "four", "five")
PEOPLE = {"alice": "alice", "alice2": "alice", "bob": "bob", "carol": "carol", "dan": "dan"}
"""Clients and their login sessions."""
STEPS = 60
MAX_NODES = 4
PATIENCE_S = 90.0
"""Virtual seconds within which everything must be well once the faults have stopped."""


class History:
    """Nodes, people and a nemesis. `delays`: the rooms have much of what is said wait for its time."""

    def __init__(self, seed: int, *, delays: bool = False) -> None:
        self.random = random = Random(f"history {seed}")
        self.world = ClusterWorld(
            {"room": SlowHall if delays else Hall},
            seed,
            limits_scale=1.0 if delays else 0.0,
            engine=EngineSettings(snapshot_events=8, idle_s=3, ring_events=16),
            cluster=ClusterSettings(digest_s=3.0, handoff_slots=random.choice((32, 128)), window=random.choice((4, 256))),
            one_host=random.random() < 0.7,
            skew_ms=random.choice((0, 20, 200)),
        )
        self.names = 0
        self.said: list[str] = []
        self.people: list[ClusterClient] = []
        self.verdict = Verdict(self.world, self.people, self)

    def __repr__(self) -> str:
        return f"{self.world!r}: {'; '.join(self.said[-12:])}"

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.world.nodes if node.process.alive]

    def begin(self) -> None:
        for _ in range(self.random.choice((1, 3))):
            self.start()
        assert self.world.run_until(lambda: all(node.ready for node in self.world.nodes), 20.0), self
        self.people += [self.world.client(name, self.random_rooms(), sid) for name, sid in PEOPLE.items()]
        while len(self.alive) < 3:
            self.start()
        self.world.advance(self.random.choice((0.0, 2.0, 12.0)))

    def random_rooms(self) -> tuple[str, ...]:
        return tuple(room for room in ROOMS if room == "one" or self.random.random() < 0.6)

    def step(self) -> None:
        if self.random.random() < 0.75:
            person = self.random.choice(self.people)
            for _ in range(self.random.choice((1, 1, 3, 8))):
                text = f"alarm:{self.random.randrange(100, 9000)}" if self.random.random() < 0.1 else "line"
                person.write(self.random.choice(list(person.rooms)), text)
        if self.random.random() < 0.25 and self.alive:
            action = self.random.choice(ACTIONS)
            self.said.append(f"{self.world.loop.time():.3f} {action.__name__}")
            action(self)
        self.world.advance(self.random.choice((0.0, 0.002, 0.02, 0.3, 1.0, 3.0)))

    def digest(self) -> str:
        """Of all that was stored and seen, when and by whom: alike only if all went alike."""
        streams = sorted((name, one.events, one.epochs) for name, one in self.world.store.streams.items())
        people = [(person.name, person.session, person.joins, person.lines, person.rooms) for person in self.people]
        told = (self.said, streams, people, sorted(self.world.store.owners.items()), self.world.loop.time())
        return blake2b(repr(told).encode(), digest_size=8).hexdigest()

    # -- the nemesis -------------------------------------------------------------------------

    def start(self) -> None:
        if len(self.alive) < MAX_NODES:
            self.names += 1
            self.world.start(f"n{self.names}")

    def kill(self) -> None:
        victim = self.random.choice(self.alive)
        self.world.kill(victim)
        self.later(self.random.uniform(0.1, 4.0), self.start)

    def stop(self) -> None:
        victim = self.random.choice(self.alive)
        victim.process.stop()
        self.later(self.random.choice((0.3, 3.0, 7.0, 15.0)), victim.process.go_on)

    def leave(self) -> None:
        able = [node for node in self.alive if node.connectable()]
        if len(able) > 1:
            self.random.choice(able).drain_and_leave()
            self.later(self.random.uniform(0.1, 4.0), self.start)

    def cut(self) -> None:
        ends = (self.random.choice(self.alive).process.name, self.random.choice(("redis", "redis", "postgres")))
        ways = self.random.choice(([ends], [ends[::-1]], [ends, ends[::-1]]))
        self.world.network.cut.update(ways)
        self.later(self.random.choice((0.3, 2.0, 7.0, 14.0)), self.world.network.cut.difference_update, ways)

    def wipe_redis(self) -> None:
        self.world.redis.wipe()

    def restart_redis(self) -> None:
        self.world.redis.wipe()
        self.world.redis.disconnect()

    def kill_connections(self) -> None:
        self.world.redis.disconnect()

    def hang(self) -> None:
        server = self.random.choice(("redis", "redis", "postgres"))
        self.world.network.hung.add(server)
        self.later(self.random.choice((0.4, 2.0, 8.0)), self.world.network.hung.discard, server)

    def bad_bus(self) -> None:
        self.world.network.conditions = Conditions(
            lost=self.random.choice((0.0, 0.05)), repeated=self.random.choice((0.0, 0.1)), reordered=self.random.choice((0.0, 0.1))
        )

    def slow(self) -> None:
        self.world.network.conditions = Conditions(delay_s=(0.001, self.random.choice((0.02, 0.2))))

    def bad_database(self) -> None:
        self.world.set_faults(before_commit=0.05, after_commit=0.05, refused=self.random.choice((0.0, 0.01)))

    def good_database(self) -> None:
        self.world.set_faults(before_commit=0.0, after_commit=0.0, refused=0.0)

    def drop_client(self) -> None:
        self.random.choice(self.people).drop()

    def sign_in(self) -> None:
        guests = [person for person in self.people if person.token == person.sid]
        if guests:
            self.random.choice(guests).sign_in()

    def later(self, delay_s: float, action: Callable[..., None], *args: object) -> None:
        self.world.network.later(delay_s, action, *args)

    # -- the end -----------------------------------------------------------------------------

    def end(self) -> None:
        self.world.calm()
        if not self.alive:
            self.start()
        assert self.world.run_until(self.well, PATIENCE_S), f"{self}: not well: {self.verdict.ills()}"
        self.world.advance(2 * self.world.settings.presence_grace_s + 10.0)
        assert self.world.run_until(self.well, PATIENCE_S), f"{self}: not well again: {self.verdict.ills()}"
        self.verdict.check()

    def well(self) -> bool:
        return not self.verdict.ills()


ACTIONS = (
    History.start,
    History.kill,
    History.kill,
    History.stop,
    History.leave,
    History.cut,
    History.cut,
    History.wipe_redis,
    History.restart_redis,
    History.kill_connections,
    History.hang,
    History.bad_bus,
    History.slow,
    History.bad_database,
    History.good_database,
    History.drop_client,
    History.sign_in,
)


def run(seed: int, *, delays: bool = False) -> History:
    """Play a history to its end.

    Raises:
        AssertionError: something promised does not hold; its text names the seed.
    """
    history = History(seed, delays=delays)
    try:
        history.begin()
        for _ in range(STEPS):
            history.step()
        history.end()
    finally:
        history.world.close()
    return history
