"""The protocol's fingerprint: both peers tell it, so that a page knows it is older than its server."""

from functools import cache
from hashlib import blake2b

from commonroom.protocol.codegen.model import canonical

__all__ = ["protocol_hash"]


@cache
def protocol_hash() -> str:
    """16 hexadecimal digits over all names, tags, fields, limits, defaults and codes.

    Another hash does not mean that peers cannot talk: types only ever grow. Computed
    once, at the first call (milliseconds).
    """
    return blake2b(canonical().encode(), digest_size=8).hexdigest()
