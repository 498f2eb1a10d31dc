"""A client's place in a room notices everything that may not happen to it (I6, I8)."""

import pytest

from commonroom.identity import Principal
from commonroom.protocol.presence import PresenceSnapshot
from commonroom.protocol.room import Gap, Joined, Recovery, RoomInfo
from commonroom.protocol.wire import StreamPosition
from tests.chaos.ledger import STALE_S, Ledger, Line
from tests.chaos.place import Ask, Place

INFO = RoomInfo("study", "Room", "", "en", "public", 0, Principal("guest", "host"))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def _answer(recovery: Recovery, offset: int, gap: Gap | None = None) -> Joined:
    presence = PresenceSnapshot("a", 0, 0, [])
    return Joined(1, "r", StreamPosition(1, offset), recovery, gap, INFO, "participant", presence, None, [], [])


def _place(ledger: Ledger, position: int) -> Place:
    """A place that has joined at `position`."""
    place = Place("ada", "r", ledger)
    place.admitted(_answer("fresh", position), Ask(ledger.now(), None))
    return place


def test_events_in_order_are_no_fault(ledger: Ledger) -> None:
    place = _place(ledger, 3)
    place.pushed(4)
    place.pushed(5)
    place.admitted(_answer("recovered", 6), Ask(ledger.now(), 4))
    for offset in (5, 6, 7):  # from its resume on, some of it again
        place.pushed(offset)
    place.beat(7)
    assert place.position == 7
    assert ledger.failures == []


@pytest.mark.parametrize("offset", [2, 3, 5])
def test_a_repeat_or_a_gap_is_told(ledger: Ledger, offset: int) -> None:
    _place(ledger, 3).pushed(offset)
    assert ledger.failures == [f"I6: ada got {offset} of r instead of 4"]


def test_a_replay_that_leaves_something_out_is_told(ledger: Ledger) -> None:
    place = _place(ledger, 3)
    place.admitted(_answer("recovered", 6), Ask(ledger.now(), 3))
    place.pushed(5)
    assert ledger.failures == ["I6: ada got 5 of r instead of 4"]


def test_a_gap_is_told_while_the_history_would_fit(ledger: Ledger) -> None:
    place = _place(ledger, 3)
    place.admitted(_answer("gap", 9, Gap(4, 8)), Ask(ledger.now(), 3))
    assert ledger.failures == ["I6: ada at 3 of r was answered gap at 9"]
    place.admitted(_answer("gap", 5009, Gap(9, 3009)), Ask(ledger.now(), 8))
    place.pushed(3010)
    assert len(ledger.failures) == 1


def test_a_room_that_went_back_is_told(ledger: Ledger) -> None:
    _place(ledger, 3).admitted(_answer("recovered", 2), Ask(ledger.now(), 3))
    assert ledger.failures == ["I6: ada had 3 of r and was admitted at 2"]


def test_X5_a_heartbeat_that_names_what_never_came_is_told(ledger: Ledger) -> None:
    _place(ledger, 3).beat(4)
    assert ledger.failures == ["I6: ada is at 3 of r where the heartbeat says 4"]


def test_a_snapshot_older_than_a_ttl_is_told(ledger: Ledger) -> None:
    ledger.acked(Line("r", "nonce-1"), 5)
    now = ledger.now()
    ledger.check_snapshot("ada", "r", now + STALE_S - 1, 4)
    assert ledger.failures == []
    ledger.check_snapshot("ada", "r", now + STALE_S + 1, 4)
    assert [text[:30] for text in ledger.failures] == ["I8: ada was shown r at 4; 5 st"]
