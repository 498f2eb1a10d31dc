"""Which database is refused, who may use it, and how its schema moves."""

import asyncio
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, unquote

import pytest
from asyncpg.types import ServerVersion

from commonroom.clock import ClusterClock
from commonroom.errors import ConfigError, Invalid, Unavailable
from commonroom.ids import new_id
from commonroom.storage.database_clock import compare
from commonroom.storage.migration import Migration, load_migrations, migrate, status
from commonroom.storage.node_lock import NodeLock
from commonroom.storage.pool import Connection, Database, check_server, connect
from commonroom.storage.projection.membership import MembershipProjection
from commonroom.storage.projection.message import MessageProjection
from commonroom.storage.projection.room import RoomProjection
from commonroom.storage.projection.room_ban import RoomBanProjection
from tests.support.client import until
from tests.support.link import Link
from tests.support.postgres import create_database


class OldServer:
    """What asyncpg says of a server of PostgreSQL 14, which no wheel carries any more."""

    def get_server_version(self) -> ServerVersion:
        return ServerVersion(14, 9, 0, "final", 0)


async def test_a_server_that_is_too_old_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="PostgreSQL 14 is too old: 15 or newer is needed"):
        await check_server(cast("Connection", OldServer()))


async def test_a_server_that_may_forget_commits_is_refused(dsn: str) -> None:
    name = f"unsafe_{new_id(1)}"
    unsafe = await _copy(dsn, name)
    connection = await connect(dsn)
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.close()
    with pytest.raises(ConfigError, match="synchronous_commit = off: acknowledged messages could be lost"):
        await Database.open(unsafe)
    with pytest.raises(ConfigError):
        await migrate(unsafe)


async def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="PostgreSQL does not answer"):
        await Database.open("postgresql://127.0.0.1:1/nothing")
    with pytest.raises(Unavailable, match="database does not answer"):
        await migrate("postgresql://127.0.0.1:1/nothing")


async def test_a_text_the_database_cannot_hold_is_invalid_and_costs_no_connection(database: Database) -> None:
    with pytest.raises(Invalid):
        await database.fetchval("SELECT $1::text", "a\0b")
    with pytest.raises(Invalid):
        await database.fetchval("SELECT $1::text", "\ud800")
    assert await database.fetchval("SELECT 1") == 1


async def test_the_clock_follows_the_databases(database: Database) -> None:
    clock = ClusterClock()
    offset = await compare(database, clock)
    assert abs(clock.offset_ms - offset) < 1
    before = clock.now()
    clock.observe(0, 10_000_000)  # far behind: time still never runs backwards
    assert clock.now() >= before


async def _copy(dsn: str, name: str) -> str:
    database = dsn.partition("?")[0].rpartition("/")[2]
    return await create_database(dsn.replace(f"/{database}?", "/commonroom?"), name)


async def test_the_second_node_on_a_database_is_refused(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonroom.storage.node_lock.TAKE_OVER_S", 0.0)
    lost: list[str] = []
    first, second = NodeLock(dsn, lambda: lost.append("first")), NodeLock(dsn, lambda: lost.append("second"))
    await first.take()
    with pytest.raises(ConfigError, match="another Commonroom server uses this database"):
        await second.take()
    await first.release()
    await second.take()
    await second.release()
    assert lost == []


async def test_a_lock_whose_connection_died_is_taken_again(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonroom.storage.node_lock.TAKE_OVER_S", 0.0)
    lost: list[str] = []
    lock, other = NodeLock(dsn, lambda: lost.append("lock")), NodeLock(dsn, lambda: None)
    await lock.take()
    pid = await _cut_lock(dsn)
    async with asyncio.timeout(10):
        while await _lock_pid(dsn) in {None, pid}:
            await asyncio.sleep(0.01)
    with pytest.raises(ConfigError):
        await other.take()
    assert lost == []
    await lock.release()


async def test_a_lock_that_somebody_else_took_meanwhile_stops_the_node(dsn: str) -> None:
    lost = asyncio.Event()
    lock = NodeLock(dsn, lost.set)
    await lock.take()
    thief = await connect(dsn)
    waiting = asyncio.create_task(thief.execute("SELECT pg_advisory_lock($1)", 0x434F4D4D4F4E))
    connection = await connect(dsn)
    async with asyncio.timeout(10):
        while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", thief.get_server_pid()):
            await asyncio.sleep(0)
        await _cut_lock(dsn)
        await waiting
        await lost.wait()
    await lock.release()
    await thief.close()
    await connection.close()


async def _lock_pid(dsn: str) -> Any:
    connection = await connect(dsn)
    query = "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    pid = await connection.fetchval(f"{query} WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()")
    await connection.close()
    return pid


async def _cut_lock(dsn: str) -> int:
    pid: int = await _lock_pid(dsn)
    connection = await connect(dsn)
    await connection.execute("SELECT pg_terminate_backend($1)", pid)
    await connection.close()
    return pid


async def test_migrations_are_applied_once_even_by_two_at_a_time(dsn: str) -> None:
    fresh = await _copy(dsn, f"schema_{new_id(1)}")
    more = [*load_migrations(), Migration(9001, "9001_more", "CREATE TABLE more (x int)")]
    applied = await asyncio.gather(migrate(fresh, more), migrate(fresh, more))
    assert sorted(applied) == [[], ["9001_more"]]
    assert (await status(fresh, more)).pending == ()


async def test_an_upgrade_reads_no_journal_again_for_what_it_holds_nothing_of(dsn: str) -> None:
    """A projection that began at the first event would lag by the whole journal, and its slots would refuse to write."""
    name, known = f"upgraded_{new_id(1)}", load_migrations()
    connection = await connect(dsn)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    await connection.close()
    older = dsn.replace(f"/{dsn.partition('?')[0].rpartition('/')[2]}?", f"/{name}?")
    await migrate(older, [one for one in known if one.version <= 16])
    connection = await connect(older)
    await connection.execute("INSERT INTO checkpoint VALUES ('room', 7, 90000), ('message', 7, 90000)")
    await migrate(older)
    rows = await connection.fetch("SELECT projection, slot_pos FROM checkpoint WHERE slot = 7")
    await connection.close()
    assert {(row["projection"], row["slot_pos"]) for row in rows} == {
        (one.name, 90000) for one in (RoomProjection, MessageProjection, MembershipProjection, RoomBanProjection)
    }


async def test_a_changed_or_unknown_migration_is_refused(dsn: str) -> None:
    fresh = await _copy(dsn, f"changed_{new_id(1)}")
    known = load_migrations()
    changed = [known[0]._replace(sql=known[0].sql + "\n-- changed"), *known[1:]]
    with pytest.raises(ConfigError, match="0001"):
        await migrate(fresh, changed)
    with pytest.raises(ConfigError):
        await migrate(fresh, known[:-1])


async def test_a_migration_that_fails_leaves_nothing_behind(dsn: str) -> None:
    fresh = await _copy(dsn, f"failing_{new_id(1)}")
    broken = [*load_migrations(), Migration(9001, "9001_broken", "CREATE TABLE half (x int); SELECT 1 / 0;")]
    with pytest.raises(Exception, match="division by zero"):
        await migrate(fresh, broken)
    connection = await connect(fresh)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()
    assert (await status(fresh, broken)).pending == ("9001_broken",)


async def test_a_node_takes_the_lock_back_from_its_own_lost_connection(dsn: str) -> None:
    """The server has not noticed yet that the connection is gone: that is no other node."""
    before, after = NodeLock(dsn, lambda: None), NodeLock(dsn, lambda: None)
    after._name = before._name
    await before.take()
    await before._tasks.close()  # it hears nothing of its end
    await after.take()
    await after.release()
    await before.release()


class StalledOnce:
    """A server that was stopped while it answered the first time, and has a wrong clock then."""

    def __init__(self, clock: ClusterClock) -> None:
        self._clock = clock
        self._asked = 0

    async def fetchval(self, _query: str) -> float:
        self._asked += 1
        if self._asked == 1:
            await asyncio.sleep(0.05)
            return self._clock.local_ms() - 60_000
        return self._clock.local_ms()


async def test_a_stalled_answer_does_not_move_the_clock() -> None:
    clock = ClusterClock()
    offset = await compare(cast("Database", StalledOnce(clock)), clock)
    assert abs(offset) < 30_000


async def test_a_call_that_is_cancelled_while_the_server_is_silent_ends_cancelled(dsn: str, tmp_path: Path) -> None:
    """asyncpg raises TimeoutError where it waited in vain for its own cancellation: who is to end must not go on."""
    before, _, host = dsn.partition("host=")
    link = Link(tmp_path / ".s.PGSQL.5432", Path(unquote(host)) / ".s.PGSQL.5432")
    await link.open()
    database = await Database.open(f"{before}host={quote(str(tmp_path), safe='')}")
    database._timeout_s = 0.3  # not before: to open it may take longer
    link.up.hold()
    call = asyncio.create_task(database.fetchval("SELECT 1"))
    await until(lambda: link.up.waiting, "the statement on its way")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    link.heal()
    await database.close()
    await link.close()
