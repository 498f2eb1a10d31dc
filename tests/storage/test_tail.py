"""The latest events of a slot in memory: complete beyond `since`, whatever is dropped."""

from hypothesis import given
from hypothesis import strategies as st

from commonroom.storage.projection.checkpoint import PendingEvent
from commonroom.storage.projection.tail import MAX_EVENTS, Tail


def event(position: int) -> PendingEvent:
    return PendingEvent("room/a", position, 1, position, b"")


def positions(tail: Tail, after: int, limit: int = 10**6) -> list[int] | None:
    events = tail.after(after, limit)
    return None if events is None else [one.slot_pos for one in events]


def test_it_gives_what_follows_a_position() -> None:
    tail = Tail(10)
    for position in (11, 13, 14):  # 12 was refused
        tail.add(event(position))
    assert positions(tail, 10) == [11, 13, 14]
    assert positions(tail, 12) == [13, 14]
    assert positions(tail, 10, limit=2) == [11, 13]
    assert positions(tail, 14) == []


def test_it_does_not_pretend_to_have_what_was_before_it() -> None:
    assert positions(Tail(10), 9) is None


@given(st.lists(st.one_of(st.just("add"), st.integers(0, 60)), max_size=200))
def test_whatever_is_trimmed_an_answer_is_complete(steps: list[str | int]) -> None:
    tail, added = Tail(0), [0]
    for step in steps:
        if isinstance(step, int):
            tail.trim(min(step, added[-1]))
        else:
            added.append(added[-1] + 1)
            tail.add(event(added[-1]))
    for after in range(added[-1] + 1):
        assert positions(tail, after) in (None, list(range(after + 1, added[-1] + 1)))


def test_it_stays_bounded() -> None:
    tail = Tail(0)
    for position in range(1, 5 * MAX_EVENTS):
        tail.add(event(position))
    assert len(tail) <= MAX_EVENTS
