"""The declaration of a route, from which both aiohttp's router and the OpenAPI document are made."""

from collections.abc import Iterator, Mapping
from inspect import getdoc
from typing import Any, Literal, NamedTuple

from aiohttp.typedefs import Handler
from msgspec import Struct

from commonroom.errors import (
    BadFrame,
    CommonroomError,
    Forbidden,
    InternalError,
    Invalid,
    RateLimited,
    SignInNeeded,
    TokenExpired,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from commonroom.limit import Limit
from commonroom.limit.limit import REQUESTS
from commonroom.permissions import NEVER, TABLE

__all__ = ["Parameter", "Proof", "Route"]

Proof = bool | Literal["cookie", "either", "guest"]
"""What shows who sends the request. False: nothing has to. True: an access token, as bearer.
"cookie": the refresh token, in its cookie or in the body. "either": an access token or the cookie.
"guest": nothing has to; who shows that they are a guest, by either, goes on as that."""

ERRORS_OF_A_PROOF: Mapping[Proof, tuple[type[CommonroomError], ...]] = {
    False: (),
    True: (Unauthenticated, TokenExpired),
    "cookie": (Unauthenticated, TokenExpired, Forbidden),
    "either": (Unauthenticated, TokenExpired, Forbidden),
    "guest": (Unauthenticated, TokenExpired, Forbidden),
}


class Parameter(NamedTuple):
    """A part of the path, the query string or the head.

    Args:
        kind: its type with its limits, as msgspec takes it.
        meaning: one sentence for people, without its limits.
        needed: it must be there; those of the path always are.
    """

    name: str
    where: Literal["path", "query", "header"]
    kind: Any
    meaning: str
    needed: bool = False


class Route(NamedTuple):
    """A route of the public port. Its handler's docstring is its summary (the first line) and description.

    Args:
        path: as aiohttp takes it, `{name}` for a parameter.
        action: its row in the table of permissions.
        parameters: of path, query string and head.
        body: the type of the JSON body; None: none is read.
        body_needed: false: the body may be left out.
        answer: the type of the JSON answer, or a union of such types; None: it has no JSON.
        status: of that answer.
        also: further answers that are no errors of ours, by status.
        signed_in: see `Proof`.
        errors: what else it raises; errors of body, parameters, proof, permission and limits follow from those.
        limits: how often it may be asked; see `commonroom.http.limit`.
    """

    method: str
    path: str
    action: str
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    body: type[Struct] | None = None
    body_needed: bool = True
    answer: Any = None
    status: int = 200
    also: Mapping[int, Any] = {}
    signed_in: Proof = True
    errors: tuple[type[CommonroomError], ...] = ()
    limits: tuple[Limit, ...] = (REQUESTS,)

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return self._said[0]

    @property
    def description(self) -> str:
        """What else there is to know, plain text; empty: nothing."""
        return self._said[1]

    @property
    def answers(self) -> dict[int, Any]:
        """The types of all answers that are no errors, by status."""
        return {self.status: self.answer, **self.also}

    def all_errors(self) -> Iterator[type[CommonroomError]]:
        """Every error of ours that it may answer with, some perhaps twice."""
        yield from self.errors
        yield from ERRORS_OF_A_PROOF[self.signed_in]
        if self.signed_in is True and TABLE[self.action].guest is NEVER:
            yield SignInNeeded if TABLE[self.action].user is not NEVER else Forbidden
        if self.body is not None:
            yield from (BadFrame, Invalid, TooLarge)
        places = {parameter.where for parameter in self.parameters}
        if "query" in places:
            yield Invalid
        if "header" in places:
            yield BadFrame
        if self.limits:
            yield RateLimited
        yield from (InternalError, Unavailable)

    @property
    def _said(self) -> tuple[str, str]:
        summary, _, rest = (getdoc(self.handler) or "").partition("\n")
        return summary, rest.strip()
