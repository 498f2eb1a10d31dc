"""Placement: all agree, shares follow weights, a change moves its own share and nothing else."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from commonroom.engine.address import SLOTS
from commonroom.engine.cluster.member import Member
from commonroom.engine.cluster.placement import place

MEMBERS = st.lists(
    st.builds(Member, id=st.uuids().map(str), name=st.just("n"), weight=st.sampled_from((0.0, 0.5, 1.0, 2.0))),
    max_size=5,
    unique_by=lambda member: member.id,
)
DEVIATIONS = 6
"""Standard deviations of a binomial share: beyond them is once in a billion."""


@settings(deadline=None)  # busy machines are slow
@given(MEMBERS)
def test_a_members_share_is_that_of_its_weight(members: list[Member]) -> None:
    total = sum(member.weight for member in members)
    counts = Counter(place(members))
    assert sum(counts.values()) == SLOTS
    for member in members if total else []:
        share = member.weight / total
        assert abs(counts[member.id] - SLOTS * share) <= DEVIATIONS * (SLOTS * share * (1 - share)) ** 0.5


@settings(deadline=None)  # busy machines are slow
@given(MEMBERS, st.integers())
def test_all_agree_in_whatever_order_they_know_each_other(members: list[Member], seed: int) -> None:
    others = list(members)
    Random(seed).shuffle(others)
    assert place(others) == place(members)


@settings(deadline=None)  # busy machines are slow
@given(MEMBERS.filter(bool))
def test_who_goes_moves_its_own_slots_and_no_other(members: list[Member]) -> None:
    gone, *stayed = members
    for before, after in zip(place(members), place(stayed), strict=True):
        assert before in {gone.id, after}


@settings(deadline=None)  # busy machines are slow
@given(MEMBERS.filter(bool))
def test_who_gets_more_weight_only_takes(members: list[Member]) -> None:
    heavy, *others = members
    more = Member(heavy.id, heavy.name, weight=heavy.weight + 1.0)
    for before, after in zip(place(members), place([more, *others]), strict=True):
        assert after in {before, heavy.id}


def test_who_drains_takes_none() -> None:
    members = [Member("a", "a", weight=0.0), Member("b", "b")]
    assert set(place(members)) == {"b"}


def test_where_nobody_takes_slots_nobody_should_have_them() -> None:
    assert place([]) == place([Member("a", "a", weight=0.0)]) == (None,) * SLOTS


def test_it_is_the_same_in_every_version() -> None:
    """Nodes of two versions run side by side in an upgrade."""
    owners = place([Member("a", "a"), Member("b", "b"), Member("c", "c", weight=2.0)])
    assert "".join(str(owner) for owner in owners[:32]) == "ccccccccaccbcccbcccbcabccaaccbba"
