"""Ownership: what is opened, claimed and given, and what must not be, one node at a time on virtual time (I1)."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest

from commonroom.engine.address import SLOTS
from commonroom.engine.cluster.member import Member, View
from commonroom.engine.cluster.ownership import Ownership
from commonroom.engine.cluster.placement import place
from commonroom.engine.testing.loop import VirtualLoop
from commonroom.errors import Unavailable
from commonroom.storage.slot_table import SlotOwner

ME, OTHER, DEAD = Member("me", "me"), Member("other", "other"), Member("dead", "dead")
BATCH = 50
GRACE_S = 2.0


class Node:
    """One node's ownership, its table and its view. Implements `SlotTable`, `SlotHolder` and `Switch`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.epochs = dict.fromkeys(range(SLOTS), 3)
        self.owners: dict[int, str | None] = dict.fromkeys(range(SLOTS))
        self.view = View(1, {ME.id: ME}, quiet=False, slots_version=1)
        self.away = False
        self.lost_answers = 0
        self.unclean: set[int] = set()
        self.holds_opening = False
        self.opened: list[tuple[int, int]] = []
        self.closed: list[int] = []
        self.batches: list[int] = []
        self.dropped: list[int] = []
        self.way_when_dropped: dict[int, str | None] = {}
        self.ways: dict[int, str] = {}
        self.told: dict[int, str] = {}
        self.refreshed = 0
        self.ownership = Ownership(ME.id, self, self, self, refresh=self._refresh, batch=BATCH, monotonic=loop.time)

    def start(self) -> None:
        self.ownership.viewed(self.view)
        self.loop.call_soon(self.ownership.open)
        self.run()

    def run(self, seconds: float = 5.0) -> None:
        self.loop.run_for(seconds)

    def see(self, *members: Member, quiet: bool = False, expelled: bool = False) -> None:
        """A new view, in which somebody moved slots."""
        members_by_id = {member.id: member for member in members}
        self.view = View(self.view.version + 1, members_by_id, quiet, expelled, self.view.slots_version + 1)
        self.ownership.viewed(self.view)

    def own(self, owner: str | None, slots: Iterable[int] = range(SLOTS)) -> None:
        self.owners.update(dict.fromkeys(slots, owner))

    def take(self, owner: str, *slots: int) -> list[SlotOwner]:
        """Somebody else claims slots in the table; the rows that tell of it."""
        for slot in slots:
            self.epochs[slot] += 1
            self.owners[slot] = owner
        return [SlotOwner(slot, self.epochs[slot], owner) for slot in slots]

    async def _refresh(self) -> View:
        self.refreshed += 1
        return self.view

    # -- the table -----------------------------------------------------------------------

    async def read(self) -> Sequence[SlotOwner]:
        self._ask()
        return [SlotOwner(slot, epoch, self.owners[slot]) for slot, epoch in self.epochs.items()]

    async def move(self, slots: Mapping[int, int], owner: str | None) -> Mapping[int, int]:
        self._ask()
        moved = {slot: epoch + 1 for slot, epoch in slots.items() if self.epochs[slot] == epoch}
        self.epochs.update(moved)
        self.own(owner, moved)
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unavailable("the answer was lost")
        return moved

    def _ask(self) -> None:
        if self.away:
            raise Unavailable("away")

    # -- the keeper ----------------------------------------------------------------------

    async def open_slots(self, epochs: Mapping[int, int]) -> None:
        self._ask()
        while self.holds_opening:
            await asyncio.sleep(0.01)
        self.opened += sorted(epochs.items())

    async def close_slots(self, slots: Sequence[int]) -> set[int]:
        self.closed += slots
        self.batches.append(len(slots))
        if not self.unclean.isdisjoint(slots):
            await asyncio.sleep(GRACE_S)
        return set(slots) - self.unclean

    def drop_slots(self, slots: Sequence[int]) -> None:
        self.dropped += slots
        self.way_when_dropped.update((slot, self.ways.get(slot)) for slot in slots)

    # -- the switch ----------------------------------------------------------------------

    def to_here(self, slots: Mapping[int, int]) -> None:
        self.ways.update(dict.fromkeys(slots, "here"))

    def to_member(self, slots: Mapping[int, int], member: str) -> None:
        self.ways.update(dict.fromkeys(slots, member))

    def to_nobody(self, slots: Iterable[int]) -> None:
        self.ways.update(dict.fromkeys(slots, "nobody"))

    def moved(self, slots: Mapping[int, int], owner: str) -> None:
        self.told.update(dict.fromkeys(slots, owner))


@pytest.fixture
def node() -> Iterator[Node]:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    made: list[Node] = []
    loop.call_soon(lambda: made.append(Node(loop)))
    loop.run_for(0.001)
    yield made[0]
    loop.run_until_complete(made[0].ownership.close())
    asyncio.set_event_loop(None)
    loop.close()


def test_what_nobody_owns_is_claimed_then_opened_then_told(node: Node) -> None:
    node.start()
    assert node.opened == [(slot, 4) for slot in range(SLOTS)]
    assert node.owners == dict.fromkeys(range(SLOTS), ME.id)
    assert set(node.ways.values()) == {"here"}
    assert node.told == dict.fromkeys(range(SLOTS), ME.id)


def test_what_the_table_says_is_ours_opens_at_its_epoch(node: Node) -> None:
    node.own(ME.id)
    node.start()
    assert node.opened == [(slot, 3) for slot in range(SLOTS)]
    assert set(node.epochs.values()) == {3}


def test_the_dead_are_inherited_from(node: Node) -> None:
    node.own(DEAD.id)
    node.start()
    assert len(node.ownership.here) == SLOTS
    assert node.refreshed > 0


def test_in_a_quiet_period_nobody_is_dead(node: Node) -> None:
    node.own(DEAD.id)
    node.see(ME, quiet=True)
    node.start()
    assert node.ownership.here == []
    node.see(ME)
    node.run()
    assert len(node.ownership.here) == SLOTS


def test_who_comes_to_life_between_two_views_is_not_inherited_from(node: Node) -> None:
    """It was missing from the last view, but is in the one that was asked for after the table was read."""
    node.own(OTHER.id)
    alive = View(9, {ME.id: ME, OTHER.id: OTHER}, quiet=False, slots_version=1)

    async def refresh() -> View:
        return alive

    node.ownership._refresh = refresh
    node.start()
    assert node.ownership.here == []
    assert set(node.epochs.values()) == {3}


def test_an_expelled_node_claims_and_gives_nothing(node: Node) -> None:
    node.see(ME, expelled=True)
    node.start()
    assert node.ownership.here == []


def test_a_node_that_no_view_knows_claims_nothing(node: Node) -> None:
    node.see(OTHER)
    node.own(DEAD.id)
    node.start()
    assert node.ownership.here == []


def test_each_takes_its_share_of_what_is_free(node: Node) -> None:
    node.see(ME, OTHER)
    node.start()
    mine = [slot for slot, target in enumerate(place([ME, OTHER])) if target == ME.id]
    assert node.ownership.here == mine


def test_a_newcomer_gets_its_share_in_batches_and_all_are_told(node: Node) -> None:
    node.start()
    node.see(ME, OTHER)
    node.run()
    theirs = [slot for slot, target in enumerate(place([ME, OTHER])) if target == OTHER.id]
    assert node.closed == theirs
    assert [slot for slot, owner in node.owners.items() if owner == OTHER.id] == theirs
    assert {slot: owner for slot, owner in node.told.items() if owner == OTHER.id} == dict.fromkeys(theirs, OTHER.id)
    assert {node.ways[slot] for slot in theirs} == {OTHER.id}
    assert node.batches[:6] == [4, 8, 16, 32, BATCH, BATCH], "a newcomer is slow at its first rooms"
    assert max(node.batches) == BATCH
    assert node.ownership.stats.closings == len(node.batches)


def test_the_next_newcomer_is_slow_too(node: Node) -> None:
    node.start()
    node.see(ME, OTHER)
    node.run()
    node.batches.clear()
    node.see(ME, OTHER, Member("third", "third"))
    node.run()
    assert node.batches[:3] == [4, 8, 16]


def test_a_slot_that_does_not_close_in_order_is_ours_again_at_a_new_epoch(node: Node) -> None:
    """Commits of the old epoch may be under way still: the fence ends them. The newcomer gets it then."""
    node.start()
    slot = place([ME, OTHER]).index(OTHER.id)
    node.unclean = {slot}
    node.see(ME, OTHER)
    node.run(1.5 * GRACE_S)
    node.unclean.clear()
    node.run()
    assert [epoch for number, epoch in node.opened if number == slot] == [4, 5]
    assert (node.owners[slot], node.epochs[slot]) == (OTHER.id, 6)


def test_an_epoch_is_never_opened_twice(node: Node) -> None:
    """Lost by a refused write, though the table says that it is ours: what was written before may be anything."""
    node.start()
    node.ownership.fenced(7)
    assert node.ways[7] == "nobody"
    assert node.dropped == [7]
    node.run()
    assert [epoch for slot, epoch in node.opened if slot == 7] == [4, 5]
    assert node.ways[7] == "here"


def test_a_slot_that_another_took_is_dropped_at_once(node: Node) -> None:
    node.start()
    node.see(ME, OTHER)
    rows = node.take(OTHER.id, 7)
    node.ownership.learn(rows)
    assert 7 in node.dropped
    assert node.ways[7] == OTHER.id
    assert node.ownership.epoch_here(7) == 0


def test_older_news_changes_nothing(node: Node) -> None:
    node.start()
    node.ownership.learn([SlotOwner(7, 3, OTHER.id), SlotOwner(8, 4, OTHER.id)])
    assert node.ownership.known(7) == node.ownership.known(8) == (4, ME.id)
    assert node.ownership.epoch_here(7) == 4


def test_a_slot_lost_while_it_opens_does_not_open(node: Node) -> None:
    node.own(ME.id)
    node.see(ME, OTHER)
    node.holds_opening = True
    node.start()
    assert node.ownership.moving == list(range(SLOTS))
    slot = place([ME, OTHER]).index(OTHER.id)
    node.ownership.learn(node.take(OTHER.id, slot))
    node.holds_opening = False
    node.run()
    assert node.ownership.epoch_here(slot) == 0
    assert slot in node.dropped
    assert slot not in node.closed


def test_a_database_that_is_away_is_asked_until_it_answers(node: Node) -> None:
    node.away = True
    node.start()
    assert node.ownership.here == node.ownership.moving == []
    node.away = False
    node.run()
    assert len(node.ownership.here) == SLOTS


def test_a_claim_whose_answer_was_lost_opens_at_what_the_table_says(node: Node) -> None:
    node.lost_answers = 2
    node.start()
    assert len(node.ownership.here) == SLOTS
    assert dict(node.opened) == node.epochs


def test_a_hand_over_whose_answer_was_lost_is_read_from_the_table(node: Node) -> None:
    node.start()
    node.lost_answers = 1
    node.see(ME, OTHER)
    node.run()
    theirs = {slot for slot, target in enumerate(place([ME, OTHER])) if target == OTHER.id}
    assert {slot for slot, owner in node.owners.items() if owner == OTHER.id} == theirs
    assert set(node.ownership.here) == set(range(SLOTS)) - theirs


def test_a_new_life_owns_nothing_and_drops_all(node: Node) -> None:
    node.start()
    node.ownership.restart("me again")
    assert node.ownership.here == []
    assert sorted(node.dropped) == list(range(SLOTS))
    assert set(node.ways.values()) == {"nobody"}


def test_the_last_one_leaves_its_slots_to_nobody(node: Node) -> None:
    node.start()
    node.unclean = {7}
    node.loop.run_until_complete(node.ownership.close())
    node.loop.run_until_complete(node.ownership.release())
    assert {slot for slot, owner in node.owners.items() if owner is not None} == {7}
    assert node.ownership.here == []


def test_what_lives_in_a_lost_slot_is_ended_before_commands_go_to_the_next_owner(node: Node) -> None:
    """What it did not answer has to go there first."""
    node.start()
    node.see(ME, OTHER)
    slot = next(slot for slot in range(SLOTS) if node.ways[slot] == "here")
    node.ownership.learn(node.take(OTHER.id, slot))
    assert node.ways[slot] == OTHER.id
    assert node.way_when_dropped[slot] == "here"


def test_a_slot_that_was_given_away_while_the_view_was_asked_for_is_not_claimed(node: Node) -> None:
    """Its new owner may have joined after the view was made."""
    node.own(DEAD.id)
    slot, newcomer = 7, Member("newcomer", "newcomer", weight=0.0)
    refresh = node._refresh

    async def refresh_late() -> View:
        view = await refresh()
        if newcomer.id not in view.members:
            node.view = View(2, {ME.id: ME, newcomer.id: newcomer}, quiet=False, slots_version=1)
            node.ownership.learn(node.take(newcomer.id, slot))
        return view

    node.ownership._refresh = refresh_late
    node.start()
    assert node.owners[slot] == newcomer.id
