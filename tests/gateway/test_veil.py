"""What a veil makes of presence: its own counts, and nothing that follows from those who are hidden."""

from commonroom.engine.gateway.fanout.veil import Veil
from commonroom.identity import Principal
from commonroom.protocol.presence import PresenceReset, PresenceSnapshot, PresenceUpdate, PrincipalUpgraded
from commonroom.protocol.room import RoomReset
from commonroom.protocol.roster import Person
from tests.gateway.rig import principal

ADA, BOB, EVE = principal("ada"), principal("bob"), principal("eve")
ROOM = "quiet"
People = tuple[Principal, ...]


def person(who: Principal) -> Person:
    return Person(who, who.actor_id, "participant")


def snapshot(rev: int, *people: Principal, activation: str = "a", count: int | None = None) -> PresenceReset:
    return PresenceReset(ROOM, PresenceSnapshot(activation, rev, len(people) if count is None else count, [person(one) for one in people]))


def change(
    rev: int, count: int, joined: tuple[Principal, ...] = (), left: tuple[Principal, ...] = (), activation: str = "a"
) -> PresenceUpdate:
    return PresenceUpdate(ROOM, activation, rev, count, [person(one) for one in joined], list(left))


def veil(*people: Principal) -> Veil:
    """Over a room at rev 7 where these are."""
    made = Veil(frozenset({EVE}))
    made.snapshot(snapshot(7, *people))
    return made


def test_the_count_of_changes_begins_at_a_number_that_tells_nothing_and_has_no_holes() -> None:
    made = Veil(frozenset({EVE}))
    assert made.snapshot(snapshot(7, ADA, EVE)) == snapshot(1, ADA)
    assert made.seen(change(8, 3, joined=(BOB,))) == change(2, 2, joined=(BOB,))
    assert made.seen(change(9, 2, left=(EVE,))) is None
    assert made.seen(change(10, 3, joined=(EVE,))) is None
    assert made.seen(change(11, 1, left=(BOB, EVE))) == change(3, 1, left=(BOB,))


def test_a_snapshot_that_was_asked_for_moves_no_count_and_what_it_told_is_not_told_again() -> None:
    made = veil(ADA, EVE)
    assert made.snapshot(snapshot(9, ADA, BOB)) == snapshot(1, ADA, BOB)
    assert made.seen(change(8, 3, joined=(BOB,))) is None
    assert made.seen(change(9, 2, left=(EVE,))) is None
    assert made.seen(change(10, 1, left=(BOB,))) == change(2, 1, left=(BOB,))


def test_a_new_activation_counts_anew_and_no_change_of_it_comes_before_its_snapshot() -> None:
    made = veil(ADA, BOB, EVE)
    assert made.seen(change(1, 2, left=(BOB,), activation="b")) is None
    assert made.seen(snapshot(1, ADA, EVE, activation="b")) == snapshot(1, ADA, activation="b")


def test_where_nobody_is_named_all_count() -> None:
    made = veil(ADA, EVE)
    assert made.seen(snapshot(8, count=501)) == snapshot(1, count=501)
    assert made.seen(change(9, 502)) == change(2, 502)
    assert made.seen(snapshot(10, ADA, BOB, EVE)) == snapshot(2, ADA, BOB)
    assert made.seen(change(11, 2, left=(BOB,))) == change(3, 1, left=(BOB,))


def test_an_upgrade_that_merges_two_places_is_counted_once() -> None:
    made = veil(ADA, BOB, EVE)
    carol = Person(Principal("user", "carol"), "Carol", "participant")
    told = PrincipalUpgraded(ROOM, "a", 8, 4, BOB, carol)  # somebody hidden came just before, and is in this count
    assert made.seen(told) == PrincipalUpgraded(ROOM, "a", 3, 2, BOB, carol)
    assert made.seen(PrincipalUpgraded(ROOM, "a", 9, 3, ADA, carol)) == PrincipalUpgraded(ROOM, "a", 4, 1, ADA, carol)


def test_what_is_of_nobody_passes_as_it_is() -> None:
    reset = RoomReset(ROOM)
    assert veil(ADA).seen(reset) is reset
