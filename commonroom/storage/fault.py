"""Whose fault an exception of a database call is.

asyncpg may raise nearly anything when a connection dies under it, `InternalClientError`
included (RELIABILITY R19). So only a clear statement error of the server, or a
value asyncpg could not encode, says that the statement did not happen; everything else
means "connection lost, outcome unknown".
"""

import asyncpg
from asyncpg.exceptions import _base as asyncpg_base

from commonroom.errors import CommonroomError, Conflict, InternalError, Invalid, Unavailable

__all__ = ["explain", "is_statement_error", "translated"]

EncodingError = asyncpg_base.DataError
"""Raised before anything was sent; asyncpg exports only the server's class of the same name."""

ENVIRONMENT_CLASSES = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58"})
"""Connection, read-only after a failover, login, missing database, rollback, resources, locks, operator, system."""

DATA_CLASS = "22"


def is_statement_error(error: BaseException) -> bool:
    """Whether the server, alive and well, refused this very statement: it had no effect."""
    if isinstance(error, EncodingError):
        return True
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "08")[:2] not in ENVIRONMENT_CLASSES


def explain(error: BaseException) -> str:
    """One line without values of the statement."""
    code = getattr(error, "sqlstate", None)
    text = str(error).partition("\n")[0][:200] or type(error).__name__
    return f"{text} ({code})" if code else text


def translated(error: Exception) -> CommonroomError:
    """The error of our own tree for an exception of a read or a plain write."""
    if isinstance(error, CommonroomError):
        return error
    if not is_statement_error(error):
        return Unavailable("the database does not answer", retry_after_ms=500, detail=explain(error))
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict("this exists already")
    if isinstance(error, EncodingError) or getattr(error, "sqlstate", "").startswith(DATA_CLASS):
        return Invalid("not a value that can be stored")
    return InternalError("the database refused a statement", detail=explain(error))
