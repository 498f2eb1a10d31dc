"""The error tree: one base, four families by who is at fault.

    CommonroomError
    ├── ProtocolError          the peer sent what the protocol does not allow
    │   ├── BadFrame
    │   └── Unauthenticated
    │       └── TokenExpired
    ├── UsageError             the caller asked for what cannot be
    │   ├── Invalid
    │   ├── TooLarge
    │   ├── Forbidden
    │   ├── NotFound
    │   ├── NotJoined
    │   ├── Conflict
    │   ├── LimitExceeded
    │   ├── RateLimited
    │   ├── MailNotConfigured  this deployment sends no letters
    │   └── ConfigError        a setting is unknown or out of range (exit 2)
    ├── Unavailable            the environment is short of something: retry
    └── InternalError          our own fault

Facts live in attributes; `str()` is one lower-case line without a full stop that
names the value and the limit. `TABLE` maps a class to everything the edges need.
"""

from http import HTTPStatus
from typing import NamedTuple

from commonroom.codes import CloseCode, ErrorCode

__all__ = [
    "TABLE",
    "BadFrame",
    "CommonroomError",
    "ConfigError",
    "Conflict",
    "Forbidden",
    "InternalError",
    "Invalid",
    "LimitExceeded",
    "MailNotConfigured",
    "NotFound",
    "NotJoined",
    "ProtocolError",
    "RateLimited",
    "Row",
    "TokenExpired",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UsageError",
    "row_of",
]


class CommonroomError(Exception):
    """Base of all errors this package raises on purpose.

    Args:
        message: one line for a person; never a secret, never a stack.
        retry_after_ms: milliseconds after which a retry makes sense; None: unknown.
        detail: for the log and the operator, part of `str()`; never shown to a client.
    """

    def __init__(self, message: str, *, retry_after_ms: int | None = None, detail: str = "") -> None:
        super().__init__(f"{message}: {detail}" if detail else message)
        self.message = message
        self.retry_after_ms = retry_after_ms


class ProtocolError(CommonroomError):
    """The peer is at fault."""


class BadFrame(ProtocolError):
    """Bytes that are no command of this protocol."""


class Unauthenticated(ProtocolError):
    """No token, a forged one, or one of another kind."""


class TokenExpired(Unauthenticated):
    """The token was valid once."""


class UsageError(CommonroomError):
    """The caller is at fault."""


class Invalid(UsageError):
    """A field is out of its range.

    Args:
        field: the path of the field, as in `$.text`.
    """

    def __init__(self, message: str, *, field: str = "$") -> None:
        super().__init__(message)
        self.field = field


class TooLarge(UsageError):
    """Over an announced size."""


class Forbidden(UsageError):
    """Known principal, not allowed."""


class NotFound(UsageError):
    """Does not exist, or must look as if it did not."""


class NotJoined(UsageError):
    """The command needs a subscription to the room."""


class Conflict(UsageError):
    """The state moved on since the caller looked."""


class LimitExceeded(UsageError):
    """A cap that waiting does not lift."""


class RateLimited(UsageError):
    """A limit that waiting lifts."""


class MailNotConfigured(UsageError):
    """A letter is needed and this deployment sends none; waiting does not change that, so it is no `Unavailable`."""

    def __init__(self) -> None:
        super().__init__("mail is not configured on this server")


class ConfigError(UsageError):
    """A setting is unknown or out of range; the process exits with 2."""


class Unavailable(CommonroomError):
    """The environment is at fault; the same call may be made again."""


class InternalError(CommonroomError):
    """We are at fault."""


class Row(NamedTuple):
    """What the edges answer for an error class."""

    code: ErrorCode
    close: CloseCode | None  # None: the socket stays open
    http: HTTPStatus
    retryable: bool


TABLE: dict[type[CommonroomError], Row] = {
    BadFrame: Row(ErrorCode.BAD_REQUEST, CloseCode.BAD_FRAME, HTTPStatus.BAD_REQUEST, False),
    ProtocolError: Row(ErrorCode.BAD_REQUEST, CloseCode.BAD_FRAME, HTTPStatus.BAD_REQUEST, False),
    TokenExpired: Row(ErrorCode.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED, HTTPStatus.UNAUTHORIZED, True),
    Unauthenticated: Row(ErrorCode.UNAUTHENTICATED, CloseCode.UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED, False),
    Invalid: Row(ErrorCode.INVALID, None, HTTPStatus.UNPROCESSABLE_ENTITY, False),
    TooLarge: Row(ErrorCode.TOO_LARGE, None, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, False),
    Forbidden: Row(ErrorCode.FORBIDDEN, None, HTTPStatus.FORBIDDEN, False),
    NotFound: Row(ErrorCode.NOT_FOUND, None, HTTPStatus.NOT_FOUND, False),
    NotJoined: Row(ErrorCode.NOT_JOINED, None, HTTPStatus.CONFLICT, False),
    Conflict: Row(ErrorCode.CONFLICT, None, HTTPStatus.CONFLICT, False),
    LimitExceeded: Row(ErrorCode.LIMIT_EXCEEDED, None, HTTPStatus.FORBIDDEN, False),
    RateLimited: Row(ErrorCode.RATE_LIMITED, None, HTTPStatus.TOO_MANY_REQUESTS, True),
    MailNotConfigured: Row(ErrorCode.MAIL_NOT_CONFIGURED, None, HTTPStatus.SERVICE_UNAVAILABLE, False),
    UsageError: Row(ErrorCode.BAD_REQUEST, None, HTTPStatus.BAD_REQUEST, False),
    Unavailable: Row(ErrorCode.RETRY, None, HTTPStatus.SERVICE_UNAVAILABLE, True),
    InternalError: Row(ErrorCode.INTERNAL, None, HTTPStatus.INTERNAL_SERVER_ERROR, True),
}


def row_of(error: CommonroomError) -> Row:
    """The table row of an error: its own class, else its nearest ancestor's."""
    for cls in type(error).__mro__:
        if row := TABLE.get(cls):
            return row
    return TABLE[InternalError]
