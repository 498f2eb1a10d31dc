"""Scenes that once went wrong, or must never."""

from collections.abc import Iterator

import pytest

from commonroom.engine.address import slot_of
from tests.cluster.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def test_an_announcement_that_waited_for_a_failed_load_is_made_again(stage: Stage) -> None:
    """The gateway announced itself to an instance that never went live: the next one must know it all the same."""
    owner, heir, gateway = stage.nodes
    room = stage.room(owner, heir)
    person = stage.person("ada", gateway, room)
    stage.world.kill(owner)
    stage.until(lambda: heir.cluster.ownership.epoch_here(slot_of(f"room/{room}")) > 0)
    stage.cut(heir, "postgres")
    stage.world.advance(6.0)
    assert heir.host.stats.failed > 0
    person.write(room, "is anybody here?")
    stage.well()


def test_a_subscription_that_ends_before_it_is_confirmed_is_made_again(stage: Stage) -> None:
    newcomer = stage.world.start("n4")
    stage.nodes.append(newcomer)
    subscribers = stage.world.redis.subscribers
    before = len(subscribers)
    stage.until(lambda: len(subscribers) > before)
    stage.world.redis.disconnect()
    stage.until(lambda: newcomer.ready)
    stage.until(lambda: newcomer.id in stage.world.redis.subscribers)
    stage.until(stage.settled)
    stage.person("ada", newcomer, stage.room(stage.nodes[0])).write(stage.room(stage.nodes[0]), "heard?")
    stage.well()


def test_a_slot_handed_over_does_not_come_back(stage: Stage) -> None:
    """Who gets it may not know yet why: that the giver drains stands only in a view newer than its own."""
    drained, *others = stage.nodes
    before = dict(stage.world.store.epochs)
    drained.drain_and_leave()
    stage.until(lambda: drained.ended)
    stage.until(stage.settled)
    moves = [stage.world.store.epochs[slot] - epoch for slot, epoch in before.items()]
    assert set(moves) == {0, 1}
    assert sum(node.cluster.ownership.stats.given for node in others) == 0


def test_a_former_owner_says_farewell_for_nobody(stage: Stage) -> None:
    """It was about to take out the sessions of a gateway that it took for dead; they follow its heir by then."""
    owner, heir, gateway = stage.nodes
    room = stage.room(owner, heir)
    stage.person("ada", gateway, room)
    before = gateway.id
    gateway.process.stop()
    stage.until(lambda: before not in owner.cluster.membership.view.members)
    owner.process.stop()
    stage.cut(owner, "redis")
    stage.world.advance(0.1)
    gateway.process.go_on()
    stage.world.advance(2 * stage.world.settings.ttl_s)
    owner.process.go_on()
    stage.well()
