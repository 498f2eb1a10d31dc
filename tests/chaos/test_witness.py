"""The witness tells a write that came after a claim."""

from tests.chaos.ledger import Ledger
from tests.chaos.witness import Seen, Witness


def test_a_write_after_the_claim_is_told_though_it_stands_in_order() -> None:
    witness = Witness("", ["room/r"], Ledger())
    assert list(witness.judge({7: 1}, [Seen("room/r", 1, 7, 1)])) == []
    assert list(witness.judge({7: 2}, [Seen("room/r", 2, 7, 1)])) == []  # before or after the claim: nobody can tell
    (told,) = witness.judge({7: 2}, [Seen("room/r", 3, 7, 1)])
    assert told == "I1: room/r got 3 of epoch 1 when slot 7 had been claimed with 2"
    assert witness.claims == 2


def test_the_new_owner_may_write() -> None:
    witness = Witness("", ["room/r"], Ledger())
    assert list(witness.judge({7: 2}, [])) == []
    assert list(witness.judge({7: 3}, [Seen("room/r", 1, 7, 2), Seen("room/r", 2, 7, 3)])) == []
