"""What is followed, by slot: always the set that was marked, with its number."""

from hypothesis import given
from hypothesis import strategies as st

from commonroom.engine.address import SLOTS, Address, slot_of_address
from commonroom.engine.following import Following, checksum

ADDRESSES = [Address("user", f"u{number}") for number in range(12)]


@given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.booleans()), max_size=60), st.sets(st.sampled_from(ADDRESSES)))
def test_it_is_the_set_that_was_marked_whole_and_of_some_slots(marks: list[tuple[Address, bool]], some: set[Address]) -> None:
    following, model = Following(), set[Address]()
    for address, is_followed in marks:
        following.mark(address, is_followed)
        (model.add if is_followed else model.discard)(address)
    assert (set(following), len(following)) == (model, len(model))
    assert {address for address in ADDRESSES if address in following} == model
    assert following.checksum(range(SLOTS)) == checksum(model)
    slots = {slot_of_address(address) for address in some}
    within = [address for address in model if slot_of_address(address) in slots]
    assert set(following.within(slots)) == set(within)
    assert following.checksum(slots) == checksum(within)


def test_a_checksum_is_that_of_the_set() -> None:
    one, two = ADDRESSES[:2]
    assert checksum([one, two]) == checksum([two, one]) != checksum([one])
    assert checksum([]) != checksum([one])
