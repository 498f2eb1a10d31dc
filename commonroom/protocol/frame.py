"""Server frames, made once per message and shared by every socket (RFC 6455 section 5.2).

Server frames are unmasked, so the same bytes serve all readers of a codec.
"""

__all__ = ["BINARY", "TEXT", "frame"]

TEXT = 0x1
BINARY = 0x2


def frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """One final, unmasked frame around `payload`.

    Cost: one copy of the payload.
    """
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload
