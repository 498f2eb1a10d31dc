"""Errors as `application/problem+json` (RFC 9457), with the codes of the socket."""

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from commonroom.codes import ErrorCode
from commonroom.errors import CommonroomError, row_of

__all__ = ["from_error", "from_status"]

BY_STATUS = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.UNAUTHORIZED: ErrorCode.UNAUTHENTICATED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.RATE_LIMITED,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorCode.RETRY,
}


class Problem(Struct, rename="camel", omit_defaults=True):
    """The body of an error. `type` is `about:blank`: code and name say more than a URL."""

    title: str
    status: int
    code: int
    name: str
    detail: str
    request_id: str
    retryable: bool = False
    retry_after_ms: int | None = None
    remaining: int | None = None
    field: str | None = None
    until: int | None = None
    reason: str | None = None


def from_error(error: CommonroomError, request_id: str) -> web.Response:
    """The answer for an error of our own tree."""
    row = row_of(error)
    return _response(
        Problem(
            title=row.http.phrase,
            status=row.http.value,
            code=row.code.value,
            name=row.code.name,
            detail=error.message,
            request_id=request_id,
            retryable=row.retryable,
            retry_after_ms=error.retry_after_ms,
            remaining=error.remaining,
            field=getattr(error, "field", None),
            until=getattr(error, "until", None),
            reason=getattr(error, "reason", None),
        )
    )


def from_status(status: int, request_id: str, headers: Any = None) -> web.Response:
    """The answer for a status that aiohttp chose (no such route, method, body too large)."""
    known = HTTPStatus(status)
    code = ErrorCode.INTERNAL if status >= 500 else ErrorCode.BAD_REQUEST
    code = BY_STATUS.get(known, code)
    response = _response(Problem(known.phrase, status, code.value, code.name, known.description or known.phrase, request_id))
    if headers is not None and "Allow" in headers:
        response.headers["Allow"] = headers["Allow"]
    return response


def _response(problem: Problem) -> web.Response:
    response = web.Response(body=msgspec.json.encode(problem), status=problem.status, content_type="application/problem+json")
    if problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        response.force_close()  # what is left of the request is read no further
    if problem.retry_after_ms is not None:
        response.headers["Retry-After"] = str(-(-problem.retry_after_ms // 1000))
    return response
