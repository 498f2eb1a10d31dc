"""What each worker is told: its settings, and the environment that says them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from commonroom.config.field import PREFIX, fields_of
from commonroom.config.settings import Settings
from commonroom.errors import ConfigError

__all__ = ["MAX_PORT", "Shared", "environment", "metrics_url", "worker_settings"]

MAX_PORT = 65535


class Shared(NamedTuple):
    """What the supervisor has opened for all workers."""

    postgres_url: str
    redis_url: str
    ports: Sequence[int]
    """The public port of each worker, in their order."""


def worker_settings(settings: Settings, shared: Shared, number: int) -> Settings:
    """The settings of worker `number` (from 1).

    The metrics port counts up from the configured one, 0 stays
    0. The echo listener has one port and hence one worker.

    Raises:
        ConfigError: its metrics port would be above 65535.
    """
    index, metrics_port = number - 1, settings.http.metrics_port
    if metrics_port and metrics_port + index > MAX_PORT:
        raise ConfigError(f"http.metrics_port = {metrics_port}: worker {number} would need a port above {MAX_PORT}")
    return replace(
        settings,
        http=replace(settings.http, port=shared.ports[index], reuse_port=True, metrics_port=metrics_port and metrics_port + index),
        gateway=settings.gateway if index == 0 else replace(settings.gateway, echo_port=0),
        postgres=replace(settings.postgres, url=shared.postgres_url),
        redis=replace(settings.redis, url=shared.redis_url),
        cluster=replace(settings.cluster, name=f"{settings.cluster.name or 'worker'}-{number}"),
    )


def environment(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """`base` with exactly these settings, wherever they came from.

    Never arguments: other users of the machine see those, and URLs hold passwords.
    """
    kept = {name: value for name, value in base.items() if not name.startswith(PREFIX)}
    for field, value in fields_of(settings):
        if value != field.default:
            kept[field.variable] = _text(value)
    return kept


def metrics_url(settings: Settings) -> str:
    """Where a worker's metrics are; empty if it picks the port itself."""
    host, port = settings.http.metrics_host, settings.http.metrics_port
    if not port:
        return ""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _text(value: Any) -> str:
    """A value as the environment says it, see `Field.convert`."""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, Path | str | int) else repr(value)
