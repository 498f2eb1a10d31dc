"""The lease: a proof counts from when it was asked for (I8)."""

import pytest

from commonroom.engine.lease import Lease


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> Lease:
    return Lease(5.0, clock)


def test_nothing_is_proven_at_first(lease: Lease) -> None:
    assert not lease.valid()


def test_a_proof_holds_a_ttl_from_the_question_not_from_the_answer(lease: Lease, clock: Clock) -> None:
    asked = lease.asked_at()
    clock.now_s += 4.0
    lease.prove(asked)
    assert lease.valid()
    assert lease.margin_s == 1.0
    clock.now_s += 1.0
    assert not lease.valid()


def test_an_older_proof_takes_nothing_away(lease: Lease, clock: Clock) -> None:
    early = lease.asked_at()
    clock.now_s += 1.0
    lease.prove(lease.asked_at())
    lease.prove(early)
    assert lease.margin_s == 5.0


def test_those_who_wait_go_on_once_it_holds_again(lease: Lease, clock: Clock) -> None:
    went_on: list[str] = []
    too_late = lease.asked_at()
    clock.now_s += 10.0
    lease.when_valid(lambda: went_on.append("a"))
    lease.prove(too_late)
    assert went_on == []
    lease.prove(lease.asked_at())
    lease.prove(lease.asked_at())
    assert went_on == ["a"]
    assert lease.lapses == 1
