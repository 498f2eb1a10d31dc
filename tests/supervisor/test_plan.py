"""What each worker is told, and that nothing of it is lost on the way."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from commonroom.config import Settings, load
from commonroom.config.settings import ClusterSettings, EngineSettings, GatewaySettings, HttpSettings, PostgresSettings
from commonroom.errors import ConfigError
from commonroom.supervisor.plan import Shared, environment, metrics_url, worker_settings

SHARED = Shared("postgresql://me:hunter2@/rooms?host=%2Ftmp", "unix:///tmp/redis.sock", (8123, 8123, 8123))


def _worker(number: int, settings: Settings | None = None) -> Settings:
    return worker_settings(settings or Settings(), SHARED, number)


def test_workers_share_the_port_and_the_servers() -> None:
    for number in (1, 2):
        settings = _worker(number)
        assert (settings.http.port, settings.http.reuse_port) == (8123, True)
        assert (settings.postgres.url, settings.redis.url) == SHARED[:2]


def test_workers_may_have_ports_of_their_own() -> None:
    shared = SHARED._replace(ports=(8123, 8124))
    assert [worker_settings(Settings(), shared, number).http.port for number in (1, 2)] == [8123, 8124]


def test_each_worker_has_a_name_and_a_metrics_port_of_its_own() -> None:
    settings = Settings(http=HttpSettings(metrics_port=9000), gateway=GatewaySettings(echo_port=7000))
    first, second = _worker(1, settings), _worker(2, settings)
    assert (first.cluster.name, second.cluster.name) == ("worker-1", "worker-2")
    assert (first.http.metrics_port, second.http.metrics_port) == (9000, 9001)
    assert (first.gateway.echo_port, second.gateway.echo_port) == (7000, 0)
    assert metrics_url(second) == "http://127.0.0.1:9001"


def test_a_free_metrics_port_stays_one_that_nobody_knows() -> None:
    settings = _worker(3, Settings(http=HttpSettings(metrics_port=0)))
    assert settings.http.metrics_port == 0
    assert metrics_url(settings) == ""


def test_the_machine_s_name_is_in_its_workers_names() -> None:
    assert _worker(2, Settings(cluster=ClusterSettings(name="east"))).cluster.name == "east-2"


def test_metrics_ports_end_where_ports_end() -> None:
    settings = Settings(http=HttpSettings(metrics_port=65535))
    assert _worker(1, settings).http.metrics_port == 65535
    with pytest.raises(ConfigError, match="worker 2"):
        _worker(2, settings)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(
            env="production",
            data=Path("/var/lib/rooms"),
            http=HttpSettings(host="::1", allowed_origins=("https://a.example", "https://b.example:8443"), ws_token_ttl_s=0.1 + 1),
            engine=EngineSettings(idle_s=1e-7, ring_events=2**31 - 1),
            postgres=PostgresSettings(lanes=4),
            cluster=ClusterSettings(neighbours=False, weight=1 / 3),
        ),
    ],
)
def test_a_worker_reads_exactly_the_settings_it_was_given(settings: Settings) -> None:
    told = _worker(2, settings)
    assert load({}, environment(told, {})).settings == told


def test_nothing_of_the_supervisor_s_own_environment_contradicts() -> None:
    base = {"PATH": "/bin", "COMMONROOM_PORT": "1", "COMMONROOM_CONFIG": "/no/such", "COMMONROOM_POSTGRES_URL_FILE": "/x"}
    told = environment(_worker(1), base)
    assert told["PATH"] == "/bin"
    assert load({}, told).settings.http.port == 8123


def test_what_is_the_default_is_not_said() -> None:
    assert environment(Settings(), {}) == {}
    assert environment(replace(Settings(), data=Path("x")), {}) == {"COMMONROOM_DATA": "x"}
