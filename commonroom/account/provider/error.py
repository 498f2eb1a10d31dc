"""Why a sign-in with a provider came to nothing.

    SignInError
    ├── ProviderSilent       no answer, too late, too large or an error of its own: try again later
    ├── ProviderRefused      it said no, or what it said does not hold
    ├── SignInCancelled      the person said no
    └── SignInInvalid        not begun in this browser, too long ago, or finished before: begin again

The message is for the person. The detail, for the log, names the check that failed and
never what was checked: no code, token, secret or text of the provider's.
"""

from commonroom.errors import CommonroomError, Unauthenticated, Unavailable

__all__ = ["ProviderRefused", "ProviderSilent", "SignInCancelled", "SignInError", "SignInInvalid"]


class SignInError(CommonroomError):
    """No one was identified."""


class ProviderSilent(SignInError, Unavailable):
    """The same sign-in, begun again, may succeed later."""

    def __init__(self, detail: str) -> None:
        super().__init__("the provider did not answer", detail=detail)


class ProviderRefused(SignInError, Unauthenticated):
    """What came back identifies nobody."""

    def __init__(self, detail: str) -> None:
        super().__init__("the provider refused", detail=detail)


class SignInCancelled(SignInError, Unauthenticated):
    """The person did not agree at the provider."""

    def __init__(self) -> None:
        super().__init__("sign-in was cancelled")


class SignInInvalid(SignInError, Unauthenticated):
    """The callback does not belong to a sign-in that this browser has begun and not finished."""

    def __init__(self, detail: str) -> None:
        super().__init__("the sign-in has expired or was begun elsewhere: begin again", detail=detail)
