"""Brings the database to the schema of this code: SQL files, each once, in order, checked."""

import re
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from commonroom.errors import ConfigError
from commonroom.storage.fault import is_statement_error, translated
from commonroom.storage.pool import Connection, check_server, connect

__all__ = ["Migration", "Status", "load_migrations", "migrate", "status"]

LOCK_KEY = 0x636F6D6D6F6E01
"""Advisory lock: one migrating process a database."""

FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")

TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class Migration(NamedTuple):
    """One file of `commonroom/storage/migrations`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return sha256(self.sql.encode()).hexdigest()


class Status(NamedTuple):
    """What `commonroom migrate status` shows: names as `0001_journal`."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]


def load_migrations() -> list[Migration]:
    """The packaged files, in order."""
    found = [(FILE_NAME.fullmatch(entry.name), entry) for entry in files("commonroom.storage.migrations").iterdir()]
    return sorted(Migration(int(name[1]), f"{name[1]}_{name[2]}", entry.read_text("utf-8")) for name, entry in found if name)


async def migrate(dsn: str, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is pending, one transaction each; waits for another process that does the same.

    Returns: the names applied now.

    Raises:
        ConfigError: an applied file has changed, the database is newer than this code, or the server is unfit.
        Unavailable: the database does not answer, or stops doing so; what was applied stays.
    """
    known = load_migrations() if migrations is None else migrations
    try:
        return await _migrate(dsn, known)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if is_statement_error(error):  # a migration that is wrong: its own words
            raise
        raise translated(error) from error


async def _migrate(dsn: str, known: list[Migration]) -> list[str]:
    connection = await connect(dsn, "commonroom migrate")
    try:
        await check_server(connection)
        pending = _pending(known, await _applied(connection))
        if not pending:
            return []
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        return [migration.name for migration in known if await _apply(connection, known, migration)]
    finally:
        await connection.close()


async def status(dsn: str, migrations: list[Migration] | None = None) -> Status:
    """What is applied and what is pending. Changes nothing.

    Raises:
        ConfigError: as `migrate`.
    """
    known = load_migrations() if migrations is None else migrations
    connection = await connect(dsn, "commonroom migrate")
    try:
        pending = _pending(known, await _applied(connection))
    finally:
        await connection.close()
    return Status(tuple(each.name for each in known if each not in pending), tuple(each.name for each in pending))


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    if await connection.fetchval("SELECT to_regclass('migration')") is None:
        return {}
    rows = await connection.fetch("SELECT version, name, checksum FROM migration")
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


def _pending(known: list[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    versions = {migration.version for migration in known}
    if newer := [name for version, (name, _) in applied.items() if version not in versions]:
        raise ConfigError(f"the database is newer than this version of commonroom: it has {max(newer)}")
    for migration in known:
        if migration.version in applied and applied[migration.version][1] != migration.checksum:
            raise ConfigError(f"migration {migration.name} was changed after it was applied to this database")
    return [migration for migration in known if migration.version not in applied]


async def _apply(connection: Connection, known: list[Migration], migration: Migration) -> bool:
    """Under the advisory lock: another process may have been first."""
    async with connection.transaction():
        await connection.execute(TABLE)
        if migration not in _pending(known, await _applied(connection)):
            return False
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO migration (version, name, checksum) VALUES ($1, $2, $3)", migration.version, migration.name, migration.checksum
        )
    return True
