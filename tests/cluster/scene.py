"""Scenes that aim at one promise each. They hold; with the mutant that they aim at they do not (`test_mutants.py`)."""

from commonroom.config.settings import ClusterSettings, EngineSettings
from commonroom.engine.address import slot_of
from commonroom.engine.cluster.router import MAX_PARKED
from commonroom.engine.testing.cluster.client import ClusterClient
from commonroom.engine.testing.cluster.node import Node
from tests.cluster.stage import Stage

__all__ = [
    "a_burst_to_a_room_elsewhere",
    "a_burst_to_a_room_that_loads",
    "a_burst_to_a_room_that_nobody_has",
    "a_guest_signs_in_as_the_owner_dies",
    "a_guest_signs_in_while_joining_a_room_that_moves",
    "a_newcomer_is_known_at_once",
    "an_expelled_node_comes_back",
    "an_island_is_asked",
    "redis_forgets_while_a_node_is_paused",
    "writes_go_on_during_a_claim",
]

BURST = 60
LIMIT = 8


def redis_forgets_while_a_node_is_paused() -> None:
    """Those who beat first see a membership without it; it is not dead, and keeps what it has."""
    with Stage() as stage:
        paused, *_ = stage.nodes
        epochs = dict(stage.world.store.epochs)
        paused.process.stop()
        stage.world.redis.wipe()
        stage.world.advance(3.0)
        paused.process.go_on()
        stage.world.advance(20.0)
        assert stage.world.store.epochs == epochs, "slots were claimed from a node that lives"
        assert paused.cluster.rebirths == 0


def writes_go_on_during_a_claim() -> None:
    """The owner is taken for dead, but reaches the database: what it still writes, its heir must know (I1)."""
    with Stage(one_host=False) as stage:
        owner, heir, _ = stage.nodes
        room = stage.room(owner, heir)
        slot = slot_of(f"room/{room}")
        person = stage.person("ada", owner, room)
        stage.person("bob", heir, room)
        stage.cut(owner, "redis")
        stage.until(lambda: owner.id not in heir.cluster.membership.view.members)
        while stage.world.store.owners[slot] != heir.id:
            person.write(room, "still here")
            stage.world.advance(0.0005)
        stage.well()


def an_island_is_asked() -> None:
    """A node that neither Redis nor the database answers serves no room from memory after a TTL (I8)."""
    with Stage(one_host=False) as stage:
        island, heir, _ = stage.nodes
        room = stage.room(island, heir)
        stage.person("ada", island, room)
        writer = stage.person("bob", heir, room)
        ttl_s = stage.world.settings.ttl_s
        stage.cut(island, "redis", "postgres")
        stage.world.advance(2 * ttl_s)
        for _ in range(20):
            writer.write(room, "you cannot hear this")
            stage.world.advance(ttl_s / 5)
        visitor = stage.world.client("eve", (room,))
        visitor.home = island
        visitor.rooms[room].position = 0
        stage.people.append(visitor)
        stage.world.advance(5.0)
        stage.well()


def an_expelled_node_comes_back() -> None:
    """As another incarnation, with slots again."""
    with Stage() as stage:
        victim, *_ = stage.nodes
        before = victim.id
        victim.process.stop()
        stage.world.advance(2 * stage.world.settings.ttl_s)
        victim.process.go_on()
        stage.world.advance(1.0)
        assert victim.id != before, "it goes on under its old id"
        stage.until(stage.settled, 20.0)
        assert victim.cluster.ownership.here


def a_newcomer_is_known_at_once() -> None:
    """To all, before it is given anything: commands for a node that is not known yet wait for the next beat."""
    with Stage() as stage:
        stage.world.advance(stage.world.settings.beat_s / 2)  # their beats are at about whole seconds
        newcomer = stage.world.start("n4")
        stage.until(lambda: newcomer.ready)
        stage.world.advance(stage.world.settings.beat_s / 10)
        for node in stage.nodes:
            assert newcomer.id in node.cluster.membership.view.members, f"{node.id} does not know it"


def a_guest_signs_in_as_the_owner_dies() -> None:
    """The next owner has the user in the guest's place, with the tab that did not sign in (P2)."""
    with Stage() as stage:
        owner, heir, gateway = stage.nodes
        room = stage.room(owner, heir)
        person = stage.person("ada", gateway, room)
        stage.people.append(stage.world.client("tab", (room,), "ada"))
        stage.until(lambda: stage.people[-1].rooms[room].joined)
        person.sign_in()
        stage.world.kill(owner)
        stage.well()


def a_guest_signs_in_while_joining_a_room_that_moves() -> None:
    """The join goes to the next owner as it was sent, by the guest (P2)."""
    with Stage() as stage:
        owner, heir, gateway = stage.nodes
        room = stage.room(owner, heir)
        person = stage.world.client("ada", (room,))
        person.home = gateway
        stage.people.append(person)
        owner.process.stop()
        stage.until(lambda: len(gateway.cluster.outgoing) > 0)
        person.sign_in()
        stage.world.kill(owner)
        stage.well()


def a_burst_to_a_room_that_loads() -> None:
    """More than the mailbox takes, at once."""
    with Stage(engine=EngineSettings(mailbox_size=LIMIT)) as stage:
        person, heir = _orphaned(stage)
        _burst(stage, person, BURST)
        assert heir.host.stats.overflowed > 0


def a_burst_to_a_room_elsewhere() -> None:
    """More than the window takes."""
    with Stage(cluster=ClusterSettings(window=LIMIT)) as stage:
        owner, gateway, _ = stage.nodes
        _burst(stage, stage.person("ada", gateway, stage.room(owner)), BURST)
        assert gateway.cluster.outgoing_stats.refused > 0


def a_burst_to_a_room_that_nobody_has() -> None:
    """More than may wait for an owner."""
    with Stage(engine=EngineSettings(mailbox_size=2 * MAX_PARKED)) as stage:
        person, heir = _orphaned(stage)
        _burst(stage, person, MAX_PARKED + BURST)
        assert heir.cluster.router.stats.parked >= MAX_PARKED


def _orphaned(stage: Stage) -> tuple[ClusterClient, Node]:
    """Somebody in a room whose owner has died, at the heir, which cannot claim it for now."""
    owner, heir, _ = stage.nodes
    room = stage.room(owner, heir)
    person = stage.person("ada", heir, room)
    stage.world.kill(owner)
    for node in stage.nodes:
        stage.cut(node, "postgres")
    stage.until(lambda: owner.id not in heir.cluster.membership.view.members)
    return person, heir


def _burst(stage: Stage, person: ClusterClient, lines: int) -> None:
    """Everything is answered, be it with RETRY, and in the end written."""
    (room,) = person.rooms
    for _ in range(lines):
        person.write(room, "quick")
    stage.world.advance(0.5)
    stage.well()
    assert not person.given_up, "a command was never answered"
