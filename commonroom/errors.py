"""The error tree: one base, four families by who is at fault.

    CommonroomError
    ├── ProtocolError          the peer sent what the protocol does not allow
    │   ├── BadFrame
    │   └── Unauthenticated
    │       └── TokenExpired
    ├── UsageError             the caller asked for what cannot be
    │   ├── Invalid
    │   ├── TooLarge
    │   ├── Denied             somebody tried what they may not: the edge audits it
    │   │   └── Forbidden
    │   │       ├── SignInNeeded
    │   │       ├── RoomBanned
    │   │       └── Banned
    │   ├── ChallengeFailed    no proof of being a person, or none that holds
    │   ├── NotFound
    │   │   └── Hidden         (Denied, too)
    │   ├── NotJoined
    │   ├── Conflict
    │   ├── RoomLocked
    │   ├── RoomFull
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
    "Banned",
    "ChallengeFailed",
    "CommonroomError",
    "ConfigError",
    "Conflict",
    "Denied",
    "Forbidden",
    "Hidden",
    "InternalError",
    "Invalid",
    "LimitExceeded",
    "MailNotConfigured",
    "NotFound",
    "NotJoined",
    "ProtocolError",
    "RateLimited",
    "RoomBanned",
    "RoomFull",
    "RoomLocked",
    "Row",
    "SignInNeeded",
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

    remaining: int | None = None
    """Of a limit or a cap: how many more it grants now; None: it is about something else."""

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


class Denied(UsageError):
    """Somebody tried what they may not. What and where are for the audit (`commonroom.audit`), never for them.

    Args:
        action: as in the table of permissions; empty: the edge knows.
        where: what it was tried on, an actor's address or a path; empty: the edge knows.
    """

    def __init__(self, message: str, *, retry_after_ms: int | None = None, detail: str = "", action: str = "", where: str = "") -> None:
        super().__init__(message, retry_after_ms=retry_after_ms, detail=detail)
        self.action = action
        self.where = where


class Forbidden(Denied):
    """Known principal, not allowed."""


class SignInNeeded(Forbidden):
    """Not allowed to a guest: signing in might change that."""


class ChallengeFailed(UsageError):
    """A guest has to prove being a person, and did not; a new challenge token might."""


class Banned(Forbidden):
    """An admin keeps this account out.

    Args:
        until: cluster ms; None: until it is lifted.
        reason: for the person alone, so that it is no part of the message.
    """

    def __init__(self, message: str, *, until: int | None, reason: str) -> None:
        super().__init__(message)
        self.until = until
        self.reason = reason


class RoomBanned(Forbidden):
    """Host or co-hosts keep this person out of the room, for `retry_after_ms` or until it is lifted."""


class NotFound(UsageError):
    """Does not exist, or must look as if it did not."""


class Hidden(NotFound, Denied):
    """It exists, and must look as if it did not: the same answer as NotFound, word for word."""


class NotJoined(UsageError):
    """The command needs a subscription to the room."""


class Conflict(UsageError):
    """The state moved on since the caller looked."""


class RoomLocked(UsageError):
    """The room lets nobody new in."""


class RoomFull(UsageError):
    """As many are in the room as it takes."""


class LimitExceeded(UsageError):
    """A cap that waiting does not lift."""

    remaining = 0


class RateLimited(UsageError):
    """A limit that waiting lifts."""

    remaining = 0


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
    SignInNeeded: Row(ErrorCode.SIGN_IN_NEEDED, None, HTTPStatus.FORBIDDEN, False),
    RoomBanned: Row(ErrorCode.BANNED, None, HTTPStatus.FORBIDDEN, False),
    RoomLocked: Row(ErrorCode.ROOM_LOCKED, None, HTTPStatus.FORBIDDEN, False),
    RoomFull: Row(ErrorCode.ROOM_FULL, None, HTTPStatus.FORBIDDEN, False),
    Forbidden: Row(ErrorCode.FORBIDDEN, None, HTTPStatus.FORBIDDEN, False),
    ChallengeFailed: Row(ErrorCode.CHALLENGE_FAILED, None, HTTPStatus.FORBIDDEN, False),
    Hidden: Row(ErrorCode.NOT_FOUND, None, HTTPStatus.NOT_FOUND, False),
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
