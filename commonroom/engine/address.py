"""Where an actor lives: its address and its slot."""

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, Self

from commonroom.errors import Invalid

__all__ = ["SLOTS", "Address", "address_named", "slot_of", "slot_of_address"]

SLOTS = 1024
"""Fixed at creation of the database."""

MAX_ADDRESS_BYTES = 128

REMEMBERED = 1 << 14
"""Names whose slot or parts are known without working them out, which takes 1 to 2 µs. Clients may ask for rooms that
do not exist under as many names as they like: with 2^18 those took 120 MB."""


class Address(NamedTuple):
    """`kind/key`, also the name of the actor's stream."""

    kind: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `kind/key`.

        Raises:
            Invalid: no kind, no key, a control character, or over 128 bytes.
        """
        kind, slash, key = text.partition("/")
        address = cls(kind, key)
        if not slash:
            raise Invalid(f"address {text[:40]!r} has no kind")
        address.check()
        return address

    def check(self) -> None:
        """Refuse what cannot be a stream's name.

        Raises:
            Invalid: see `parse`.
        """
        text = str(self)
        if not self.kind or not self.key or not text.isprintable():
            raise Invalid(f"address {text[:40]!r} is not of the form kind/key")
        if len(text.encode()) > MAX_ADDRESS_BYTES:
            raise Invalid(f"address is over {MAX_ADDRESS_BYTES} bytes")

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


@lru_cache(maxsize=REMEMBERED)
def slot_of(address: str) -> int:
    """The slot of an address: the same in every process, unlike Python's own hash()."""
    return int.from_bytes(blake2b(address.encode(), digest_size=8).digest(), "big") % SLOTS


@lru_cache(maxsize=REMEMBERED)
def slot_of_address(address: Address) -> int:
    """As `slot_of`, without making the text: it is asked for each command."""
    return slot_of(str(address))


@lru_cache(maxsize=REMEMBERED)
def address_named(text: str) -> Address:
    """As `Address.parse`, remembered: nodes name addresses in every message. Raises Invalid."""
    return Address.parse(text)
