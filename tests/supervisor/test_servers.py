"""What all workers share: started, migrated, and ended in order."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from commonroom.config.settings import PostgresSettings, RedisSettings, Settings
from commonroom.errors import ConfigError, Unavailable
from commonroom.storage.embedded.postgres import EmbeddedPostgres
from commonroom.storage.migration import status
from commonroom.storage.node_lock import NodeLock
from commonroom.supervisor.servers import opened
from tests.support.server import postgres_pids

pytestmark = pytest.mark.process


class _RecordedLock(NodeLock):
    """The lock that was made last, to lose it."""

    latest: ClassVar[NodeLock]

    def __init__(self, dsn: str, on_lost: Callable[[], None]) -> None:
        super().__init__(dsn, on_lost)
        _RecordedLock.latest = self


def _never(error: Exception) -> None:
    raise AssertionError(error)


async def test_without_urls_both_are_started_and_the_database_migrated(data: Path) -> None:
    async with opened(Settings(data=data), _never) as servers:
        assert (await status(servers.postgres_url)).pending == ()
        async with Redis.from_url(servers.redis_url) as redis:
            assert await redis.ping()
    assert postgres_pids(data) == []
    async with Redis.from_url(servers.redis_url) as redis:
        with pytest.raises(RedisError):
            await redis.ping()


async def test_a_second_cluster_with_a_redis_of_its_own_is_refused(used_data: Path) -> None:
    async with opened(Settings(data=used_data), _never) as servers:
        other = Settings(data=used_data.with_name("other"), postgres=PostgresSettings(url=servers.postgres_url))
        with pytest.raises(ConfigError, match="another Commonroom server uses this database"):
            async with opened(other, _never):
                pass


async def test_given_urls_are_used_as_they_are_and_their_cluster_is_shared(used_data: Path) -> None:
    postgres = EmbeddedPostgres()
    await postgres.start(used_data)
    try:
        settings = Settings(
            data=used_data.with_name("other"), postgres=PostgresSettings(url=postgres.url), redis=RedisSettings(url="redis://cache")
        )
        async with opened(settings, _never) as servers, opened(settings, _never):
            assert servers == (postgres.url, "redis://cache")
        assert not settings.data.exists()
    finally:
        await postgres.stop()


async def test_a_database_that_is_taken_meanwhile_is_told(used_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Exception] = []
    monkeypatch.setattr("commonroom.supervisor.servers.NodeLock", _RecordedLock)
    async with opened(Settings(data=used_data), told.append):
        _RecordedLock.latest._on_lost()
    assert [str(error) for error in told] == ["another Commonroom server uses this database"]


async def test_a_database_that_does_not_answer_is_told(data: Path) -> None:
    postgres = PostgresSettings(url="postgresql://me:hunter2@127.0.0.1:1/x")
    for redis in (RedisSettings(), RedisSettings(url="redis://cache")):
        with pytest.raises(Unavailable, match="does not answer") as caught:
            async with opened(Settings(data=data, postgres=postgres, redis=redis), _never):
                pass
        assert "hunter2" not in str(caught.value)
