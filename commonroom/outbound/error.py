"""Why a request to another server came to nothing.

    OutboundError
    ├── AddressRefused       it is no address that may be asked: another one is needed
    ├── AnswerRefused        its answer has a form that is not read
    └── NoAnswer             no whole answer: none, too late or too large
        └── NoConnection     not even a connection, so that nothing was sent

The message is for the person who chose the address and tells nothing of the networks behind
us. The reason is for the log: host and check, never a path, query, header or body.
"""

from commonroom.errors import CommonroomError, Invalid, Unavailable

__all__ = ["AddressRefused", "AnswerRefused", "NoAnswer", "NoConnection", "OutboundError"]


class OutboundError(CommonroomError):
    """Nothing came back that can be used. `reason`: why, for the log."""

    reason: str = ""


class AddressRefused(OutboundError, Invalid):
    """Nobody was asked: whatever the address is, it is not a public web server's."""

    def __init__(self, reason: str) -> None:
        super().__init__("this address may not be asked", field="$.url")
        self.reason = reason


class AnswerRefused(OutboundError, Unavailable):
    """The server answered with what is not read, compressed or with too long a head."""

    def __init__(self, reason: str) -> None:
        super().__init__("the server gave no usable answer", detail=reason)
        self.reason = reason


class NoAnswer(OutboundError, Unavailable):
    """No whole answer; whether the request was acted on is not known."""

    def __init__(self, reason: str) -> None:
        super().__init__("the server did not answer", detail=reason)
        self.reason = reason


class NoConnection(NoAnswer):
    """Nothing was sent."""
