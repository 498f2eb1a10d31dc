"""Addresses: names that clients invent must not stay."""

import tracemalloc

import pytest

from commonroom.engine.address import MAX_ADDRESS_BYTES, Address, address_named, slot_of, slot_of_address
from commonroom.errors import Invalid

MB = 2**20


def test_names_that_nobody_asks_for_again_take_little_memory() -> None:
    """Each join of a room that does not exist works out a slot."""
    names = [f"{number:0120}" for number in range(40_000)]
    for asked in (slot_of, slot_of_address, address_named):
        asked.cache_clear()
    tracemalloc.start()
    for name in names:
        slot_of_address(Address("room", name))
        address_named(f"room/{name}")
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 25 * MB


def test_a_slot_is_the_same_however_it_is_asked_for() -> None:
    address = Address("room", "a-room")
    assert slot_of_address(address) == slot_of(str(address)) == slot_of_address(address_named("room/a-room"))


@pytest.mark.parametrize("text", ["room", "room/", "/x", "room/a\x00", "room/" + "x" * MAX_ADDRESS_BYTES, "room/\u2028"])
def test_what_cannot_be_a_stream_s_name_is_no_address(text: str) -> None:
    with pytest.raises(Invalid):
        Address.parse(text)
