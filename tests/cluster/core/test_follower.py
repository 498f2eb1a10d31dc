"""Followers: one gateway counts once, and its sessions are those that it said last."""

import pytest

from commonroom.engine.address import Address
from commonroom.engine.cluster.follower import Followers, checksum

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
    assert followers.followed_by("g") == []


def test_a_checksum_is_that_of_the_set(followers: Followers) -> None:
    for address in (ROOM, OTHER):
        followers.joined(address, "g", "x")
    followed = followers.followed_by("g")
    assert checksum(followed) == checksum(reversed(followed))
    assert checksum(followed) != checksum([ROOM])
    assert checksum([]) != checksum([ROOM])
