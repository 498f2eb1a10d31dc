"""Followers: one gateway counts once, and its sessions are those that it said last."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonroom.engine.address import Address
from commonroom.engine.cluster.follower import Followers
from commonroom.engine.following import checksum

Change = Callable[[Followers, Address, str], object]

CHANGES: list[Change] = [
    lambda followers, address, gateway: followers.joined(address, gateway, "x"),
    lambda followers, address, gateway: followers.left(address, gateway, "x"),
    lambda followers, address, gateway: followers.announced(address, gateway, ["y"]),
    lambda followers, address, gateway: followers.unfollowed(address, gateway),
    lambda followers, _address, gateway: followers.doubt(gateway),
    lambda followers, _address, gateway: followers.confirmed(gateway),
    lambda followers, _address, gateway: followers.gone(gateway),
    lambda followers, address, _gateway: followers.forget([address]),
    lambda followers, _address, _gateway: followers.clear(),
]

ROOM, OTHER = Address("room", "one"), Address("room", "two")


@pytest.fixture
def followers() -> Followers:
    return Followers()


def test_a_gateway_counts_once_however_many_sessions_it_has(followers: Followers) -> None:
    for session in ("x", "y"):
        followers.joined(ROOM, "g", session)
    followers.joined(ROOM, "h", "z")
    assert followers.count(ROOM) == 2
    assert list(followers.of(ROOM)) == ["g", "h"]
    assert followers.count(OTHER) == 0


def test_a_gateway_follows_until_it_says_that_it_does_not(followers: Followers) -> None:
    followers.joined(ROOM, "g", "x")
    followers.left(ROOM, "g", "x")
    assert list(followers.of(ROOM)) == ["g"]
    assert followers.unfollowed(ROOM, "g") == []
    assert followers.addresses() == []


def test_an_announcement_tells_all_and_the_rest_are_ghosts(followers: Followers) -> None:
    followers.joined(ROOM, "g", "ghost")
    followers.joined(ROOM, "g", "here")
    assert followers.announced(ROOM, "g", ["here", "new"]) == ["ghost"]
    assert followers.has(ROOM, "new")
    assert not followers.has(ROOM, "ghost")


def test_what_a_doubted_gateway_does_not_name_it_does_not_follow(followers: Followers) -> None:
    followers.joined(ROOM, "g", "x")
    followers.joined(OTHER, "g", "y")
    followers.joined(OTHER, "h", "z")
    followers.doubt("g")
    followers.announced(ROOM, "g", ["x"])
    assert followers.confirmed("g") == [(OTHER, ["y"])]
    assert followers.confirmed("g") == []
    assert list(followers.of(OTHER)) == ["h"]


def test_a_gateway_that_is_gone_follows_nothing(followers: Followers) -> None:
    followers.joined(ROOM, "g", "x")
    followers.joined(OTHER, "g", "x")
    followers.joined(OTHER, "h", "z")
    assert followers.gone("g") == [(ROOM, ["x"]), (OTHER, ["x"])]
    assert followers.addresses() == [OTHER]
    assert not followers.has(OTHER, "x")


def test_what_is_forgotten_is_not_asked_for_again(followers: Followers) -> None:
    followers.joined(ROOM, "g", "x")
    followers.doubt("g")
    followers.forget([ROOM, OTHER])
    assert followers.confirmed("g") == []
    assert followers.digest("g") == (0, 0)


@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.sampled_from([ROOM, OTHER]), st.sampled_from("gh")), max_size=40))
def test_a_digest_is_kept_with_every_change(changes: list[tuple[Change, Address, str]]) -> None:
    followers = Followers()
    for change, address, gateway in changes:
        change(followers, address, gateway)
        for one in "gh":
            followed = [address for address in (ROOM, OTHER) if one in followers.of(address)]
            assert followers.digest(one) == (len(followed), checksum(followed))
