"""`commonroom doctor`: what could keep a node from serving, each with what to do about it."""

import asyncio
import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from commonroom.cli.database import with_database
from commonroom.clock import ClusterClock
from commonroom.config.check import is_loopback, is_production
from commonroom.config.settings import Settings
from commonroom.engine.cluster.redis.endpoint import Endpoint
from commonroom.errors import CommonroomError
from commonroom.storage.database_clock import compare
from commonroom.storage.embedded.cluster import binaries
from commonroom.storage.migration import status
from commonroom.storage.pool import Database

__all__ = ["Finding", "examine"]

FILES_BESIDE_SOCKETS = 256
CLOCK_SKEW_MS = 1000
FREE_BYTES = 1 << 30
REDIS_TIMEOUT_S = 1.0
OLDEST_REDIS = (6, 2)
"""What the embedded one is and the cluster's scripts are tested with."""


class Finding(NamedTuple):
    """One check: what was looked at, what was found, what to do."""

    verdict: Literal["ok", "warn", "fail"]
    what: str
    found: str
    hint: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """All checks, the machine's first. Starts the embedded database for a moment if none runs."""
    findings = [*_machine(settings), *_addresses(settings), await _redis(settings.redis.url)]
    try:
        findings += await with_database(settings, lambda dsn: _database(settings, dsn))
    except CommonroomError as error:
        hint = "mend COMMONROOM_POSTGRES_URL" if settings.postgres.url else "stop the other server, or set COMMONROOM_POSTGRES_URL"
        findings.append(Finding("fail", "database", str(error), hint))
    return findings


def _machine(settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding("ok" if good else "fail", "python", version, "" if good else "3.11 or newer is needed")
    files, needed = resource.getrlimit(resource.RLIMIT_NOFILE)[0], settings.gateway.max_connections + FILES_BESIDE_SOCKETS
    enough = files in {resource.RLIM_INFINITY} or files >= needed
    yield Finding("ok" if enough else "warn", "open files", str(files), "" if enough else f"ulimit -n {needed} for max_connections")
    if not settings.postgres.url:
        yield _binaries()
        yield _data(settings.data)


def _binaries() -> Finding:
    try:
        return Finding("ok", "embedded postgresql", str(binaries() / "postgres"))
    except CommonroomError as error:
        return Finding("fail", "embedded postgresql", str(error), "reinstall, or set COMMONROOM_POSTGRES_URL")


def _data(data: Path) -> Finding:
    folder = next(path for path in (data.absolute(), *data.absolute().parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Finding("fail", "data directory", f"{folder} is not writable", "choose another with COMMONROOM_DATA")
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    verdict: Literal["ok", "warn"] = "ok" if free >= FREE_BYTES else "warn"
    return Finding(verdict, "data directory", f"{data}, {free / 1e9:.1f} GB free", "" if verdict == "ok" else "make room")


def _addresses(settings: Settings) -> Iterator[Finding]:
    http = settings.http
    for what, host, port in (("port", http.host, http.port), ("metrics port", http.metrics_host, http.metrics_port)):
        yield _port(what, host, port)
    if is_production(settings) and not http.public_url:
        yield Finding("warn", "public url", "not set", "set COMMONROOM_PUBLIC_URL to the https address that people use")
    else:
        yield Finding("ok", "public url", http.public_url or "development on loopback")
    if not is_loopback(http.metrics_host):
        yield Finding("warn", "metrics", f"open to {http.metrics_host}", "bind them to loopback, or fence them off")


def _port(what: str, host: str, port: int) -> Finding:
    if port == 0:
        return Finding("ok", what, "any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding("fail", what, f"{host}:{port}: {(error.strerror or str(error)).lower()}", "stop what uses it, or choose another")
    return Finding("ok", what, f"{host}:{port} is free")


async def _redis(url: str) -> Finding:
    if not url:
        return Finding("ok", "redis", "not needed by one node")
    hint = "mend COMMONROOM_REDIS_URL, or start Redis there"
    try:
        endpoint = Endpoint(url)
    except CommonroomError as error:
        return Finding("fail", "redis", str(error), hint)
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S), Redis.from_pool(endpoint.pool) as redis:
            await redis.ping()
            version = str((await redis.info("server"))["redis_version"])
    except (RedisError, OSError, KeyError) as error:  # KeyError: it answers, but is no Redis
        return Finding("fail", "redis", endpoint.unavailable(error).message, hint)
    if _numbers(version) < OLDEST_REDIS:
        return Finding("fail", "redis", f"version {version}", f"{'.'.join(map(str, OLDEST_REDIS))} or newer is needed")
    return Finding("ok", "redis", f"version {version} answers")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


async def _database(settings: Settings, dsn: str) -> list[Finding]:
    database = await Database.open(dsn, settings.postgres)  # refuses what is too old or unsafe
    try:
        version = await database.fetchval("SHOW server_version")
        skew = await compare(database, ClusterClock())
    finally:
        await database.close()
    found = await status(dsn)
    near = abs(skew) <= CLOCK_SKEW_MS
    return [
        Finding("ok", "database", f"PostgreSQL {version}, fsync and synchronous_commit on"),
        Finding("ok" if near else "warn", "clock", f"{skew:.0f} ms off the database's", "" if near else "run an NTP client on both"),
        Finding("ok", "migrations", f"{len(found.applied)} applied, {len(found.pending)} pending (serve applies them)"),
    ]
