"""Numbers a client can branch on: error codes and WebSocket close codes.

Both tables are part of the protocol: a number is never reused for another meaning.
The codegen writes them to docs/PROTOCOL.md and to the TypeScript client.
"""

from enum import IntEnum, unique

__all__ = ["LAST_RECONNECT_CODE", "CloseCode", "ErrorCode"]


@unique
class ErrorCode(IntEnum):
    """Why a command or an HTTP request was refused. Stable name and number."""

    BAD_REQUEST = 100  # the bytes are not a command of this protocol
    INVALID = 101  # a field is out of its range; the message names the field
    TOO_LARGE = 102  # over the announced size
    UNAUTHENTICATED = 110  # no valid token
    TOKEN_EXPIRED = 111  # fetch a new token and try again
    FORBIDDEN = 120  # valid token, not allowed
    SIGN_IN_NEEDED = 121  # not allowed to guests: sign in
    CHALLENGE_FAILED = 122  # a guest has to prove being a person: take a new challenge token
    ROOM_LOCKED = 123  # the room lets nobody new in
    ROOM_FULL = 124  # as many are in the room as it takes
    BANNED = 125  # banned from this room
    NOT_FOUND = 130  # does not exist, or must look as if it did not
    NOT_JOINED = 131  # join the room first
    CONFLICT = 140  # the state moved on: read it again
    LIMIT_EXCEEDED = 150  # a cap that waiting does not lift
    RATE_LIMITED = 151  # a limit that waiting lifts; see retry_after
    RETRY = 160  # the service is short of something; the same command may be sent again
    MAIL_NOT_CONFIGURED = 170  # this server sends no mail: its operator has to set that up
    INTERNAL = 190  # our fault; the same command may be sent again


@unique
class CloseCode(IntEnum):
    """Why a socket was closed. 4000-4499: come back; 4500-4999: stop.

    The split follows Centrifugo's (disconnect.go), so that a client which knows
    no single code still does the right thing.
    """

    SERVER_RESTART = 4000  # come back, spread over the announced time
    SLOW_READER = 4001  # outbox over its limit; resume by offset
    HEARTBEAT_TIMEOUT = 4002  # nothing was heard for heartbeat + grace
    HELLO_TIMEOUT = 4003  # no hello within the announced time
    INTERNAL_ERROR = 4004
    TOKEN_EXPIRED = 4010  # fetch a new token first
    BAD_FRAME = 4500  # bytes that are no command of this protocol
    OUT_OF_ORDER = 4501  # something before hello, or hello twice
    UNAUTHENTICATED = 4502  # the token is forged or of another kind
    TOO_MANY_ERRORS = 4503
    SESSION_ENDED = 4504  # logged out or banned


LAST_RECONNECT_CODE = 4499
