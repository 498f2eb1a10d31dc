"""Settings: who wins, what is refused, and in which words."""

from pathlib import Path

import pytest

from commonroom.config import Loaded, load
from commonroom.config.check import canonical_origin, is_production
from commonroom.config.field import fields
from commonroom.config.loader import DEFAULT
from commonroom.errors import ConfigError


def _refusal(flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, toml: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(flags, environ or {}, toml)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "commonroom.toml"


def test_without_any_source_every_setting_is_its_default() -> None:
    loaded = load({}, {})
    assert loaded.settings.http.port == 8000
    assert loaded.settings.data == Path(".commonroom")
    assert set(loaded.origins.values()) == {DEFAULT}
    assert loaded.origins.keys() == fields().keys()


def test_flag_beats_environment_beats_file_beats_default(toml: Path) -> None:
    toml.write_text("[http]\nport = 1\nhost = '::1'\n[log]\nlevel = 'debug'\n")
    loaded = load({"http.port": 3, "http.host": None}, {"COMMONROOM_PORT": "2", "COMMONROOM_HOST": "127.0.0.2"}, toml)
    assert (loaded.settings.http.port, loaded.settings.http.host, loaded.settings.log.level) == (3, "127.0.0.2", "debug")
    assert loaded.origins["http.port"] == "flag --port"
    assert loaded.origins["http.host"] == "environment COMMONROOM_HOST"
    assert loaded.origins["log.level"] == f"file {toml}"
    assert loaded.origins["log.format"] == DEFAULT


def test_the_environment_knows_every_setting_by_its_long_name() -> None:
    loaded = load({}, {"COMMONROOM_GATEWAY__HELLO_TIMEOUT_S": "2.5", "COMMONROOM_ENGINE__IDLE_S": "7"})
    assert (loaded.settings.gateway.hello_timeout_s, loaded.settings.engine.idle_s) == (2.5, 7.0)


def test_a_list_comes_from_the_environment_by_commas() -> None:
    loaded = load({}, {"COMMONROOM_HTTP__ALLOWED_ORIGINS": "https://a.example, http://b.example:8080,"})
    assert loaded.settings.http.allowed_origins == ("https://a.example", "http://b.example:8080")


def test_the_environment_may_name_the_file(toml: Path) -> None:
    toml.write_text("http = {port = 5}")
    assert load({}, {"COMMONROOM_CONFIG": str(toml)}).settings.http.port == 5


def test_a_secret_may_come_from_a_mounted_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p@db/x\n")
    for name in ("COMMONROOM_POSTGRES_URL_FILE", "COMMONROOM_POSTGRES__URL_FILE"):
        loaded = load({}, {name: str(secret)})
        assert loaded.settings.postgres.url == "postgresql://u:p@db/x"
        assert name in loaded.origins["postgres.url"]
    loaded = load({}, {"COMMONROOM_POSTGRES_URL_FILE": str(secret), "COMMONROOM_POSTGRES_URL": "postgresql://other/y"})
    assert loaded.settings.postgres.url == "postgresql://other/y"


def test_only_secrets_may_come_from_a_mounted_file(tmp_path: Path) -> None:
    assert "COMMONROOM_PORT_FILE is no setting" in _refusal(environ={"COMMONROOM_PORT_FILE": str(tmp_path / "port")})


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    assert _refusal(environ={"COMMONROOM_PROT": "1"}) == "COMMONROOM_PROT is no setting, did you mean COMMONROOM_PORT?"
    assert _refusal(environ={"COMMONROOM_HTTP__PROT": "1"}).endswith("did you mean COMMONROOM_HTTP__PORT?")
    assert _refusal(environ={"COMMONROOM_XYZZY_QUUX": "1"}) == "COMMONROOM_XYZZY_QUUX is no setting"


def test_another_prefix_is_nobodys_business() -> None:
    load({}, {"COMMON": "1", "PORT": "x", "commonroom_port": "x"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[http]\nprot = 1", "http.prot is no setting"),
        ("[htp]\nport = 1", "htp.port is no setting"),
        ("prot = 1", "prot is no setting"),
        ("http = 5", "http is no setting"),
        ("[extra]", "extra is no setting"),
        ("[http.port]\nx = 1", "http.port = {'x': 1}"),
        ("[http]\nport = '8000'", "http.port = '8000'"),
        ("[http]\nport = 8000.5", "http.port = 8000.5"),
        ("[http]\nport = true", "http.port = True"),
        ("[http]\nport = -1", "http.port = -1"),
        ("[http]\nallowed_origins = 'https://a.example'", "http.allowed_origins = "),
        ("[http]\nallowed_origins = [5]", "http.allowed_origins = "),
        ("[gateway]\nhello_timeout_s = nan", "gateway.hello_timeout_s = nan"),
        ("[gateway]\nhello_timeout_s = inf", "gateway.hello_timeout_s = inf"),
        ("data = ''", "data = ''"),
        ("data = 5", "data = 5"),
        ("env = 'prod'", "env = 'prod'"),
        ("[http", "is not valid TOML"),
    ],
)
def test_a_bad_file_is_refused_with_the_path_of_the_field(toml: Path, text: str, told: str) -> None:
    toml.write_text(text)
    refusal = _refusal(toml=toml)
    assert told in refusal
    assert str(toml) in refusal


def test_an_unknown_key_names_the_nearest(toml: Path) -> None:
    toml.write_text("[gateway]\nhelo_timeout_s = 1")
    assert "did you mean gateway.hello_timeout_s?" in _refusal(toml=toml)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    assert "cannot read" in _refusal(toml=tmp_path / "none.toml")
    assert "cannot read" in _refusal(toml=tmp_path)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in _refusal(toml=binary)
    binary.write_bytes(b"#" * (2 << 20))
    assert "is over" in _refusal(toml=binary)


@pytest.mark.parametrize("value", ["", "x", "1.5", "65536", "-1", "٥", " 5", "0x10", "9" * 5000])
def test_a_bad_number_in_the_environment_names_variable_and_field(value: str) -> None:
    refusal = _refusal(environ={"COMMONROOM_PORT": value})
    assert refusal.startswith("http.port = ")
    assert "environment COMMONROOM_PORT" in refusal


def test_one_setting_under_two_names_is_refused() -> None:
    assert "set twice" in _refusal(environ={"COMMONROOM_PORT": "1", "COMMONROOM_HTTP__PORT": "2"})


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"COMMONROOM_HTTP__ALLOWED_ORIGINS": "https://a.example/"}, "http.allowed_origins"),
        ({"COMMONROOM_HTTP__ALLOWED_ORIGINS": "*"}, "http.allowed_origins"),
        ({"COMMONROOM_HTTP__ALLOWED_ORIGINS": "null"}, "http.allowed_origins"),
        ({"COMMONROOM_HTTP__ALLOWED_ORIGINS": "https://A.example"}, "http.allowed_origins"),
        ({"COMMONROOM_PUBLIC_URL": "rooms.example"}, "http.public_url"),
        ({"COMMONROOM_PUBLIC_URL": "https://rooms.example/x"}, "http.public_url"),
        ({"COMMONROOM_PUBLIC_URL": "https://rooms.example:99999"}, "http.public_url"),
        ({"COMMONROOM_HOST": ""}, "http.host"),
        ({"COMMONROOM_POSTGRES_URL": "mysql://u:hunter2@db/x"}, "postgres.url"),
        ({"COMMONROOM_REDIS_URL": "http://me:hunter2@cache/0"}, "redis.url"),
        ({"COMMONROOM_REDIS_URL": "redis://me:hunter2/ab@cache/0"}, "redis.url"),
        ({"COMMONROOM_REDIS_URL": "redis:///0"}, "redis.url"),
        ({"COMMONROOM_REDIS_URL": "redis://cache/rooms"}, "redis.url"),
        ({"COMMONROOM_REDIS_URL": "unix://cache/redis.sock"}, "redis.url"),
        ({"COMMONROOM_REDIS_URL": "unix://"}, "redis.url"),
        ({"COMMONROOM_REDIS__CLUSTER": "Rooms"}, "redis.cluster"),
        ({"COMMONROOM_REDIS__CLUSTER": ""}, "redis.cluster"),
        ({"COMMONROOM_REDIS__CLUSTER": "a\n"}, "redis.cluster"),
        ({"COMMONROOM_CLUSTER__NAME": "a b"}, "cluster.name"),
        ({"COMMONROOM_CLUSTER__WEIGHT": "0"}, "cluster.weight"),
        ({"COMMONROOM_CLUSTER__DRAIN_S": "-1"}, "cluster.drain_s"),
        ({"COMMONROOM_CLUSTER__TTL_S": "2.9"}, "cluster.ttl_s"),
        ({"COMMONROOM_CLUSTER__BEAT_S": "2"}, "cluster.ttl_s"),
        ({"COMMONROOM_CLUSTER__SOCKET_DIR": "run"}, "cluster.socket_dir"),
        ({"COMMONROOM_CLUSTER__SOCKET_DIR": "/" + "r" * 70}, "cluster.socket_dir"),
        ({"COMMONROOM_HTTP__REUSE_PORT": "maybe"}, "http.reuse_port"),
        ({"COMMONROOM_HTTP__WS_TOKEN_TTL_S": "301"}, "http.ws_token_ttl_s"),
        ({"COMMONROOM_HTTP__WS_TOKEN_TTL_S": "0.5"}, "http.ws_token_ttl_s"),
    ],
)
def test_what_cannot_be_meant_is_refused(environ: dict[str, str], path: str) -> None:
    refusal = _refusal(environ=environ)
    assert refusal.startswith(f"{path} = ")
    assert "hunter2" not in refusal


@pytest.mark.parametrize(
    "url",
    ["redis://cache", "redis://cache:6379/0", "rediss://me:p%2Fw@[::1]:6380/15", "redis://:word@cache/", "unix:///run/r.sock?db=1"],
)
def test_every_form_of_a_redis_url_is_taken(url: str) -> None:
    assert load({}, {"COMMONROOM_REDIS_URL": url}).settings.redis.url == url


def test_a_ttl_of_three_beats_is_enough() -> None:
    cluster = load({}, {"COMMONROOM_CLUSTER__TTL_S": "0.3", "COMMONROOM_CLUSTER__BEAT_S": "0.1"}).settings.cluster
    assert (cluster.ttl_s, cluster.beat_s) == (0.3, 0.1)


def test_an_unknown_flag_is_refused() -> None:
    assert "http.prt is no setting" in _refusal(flags={"http.prt": 1})


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://A.Example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("https://u@a.example", None),
        ("https://a.example?x", None),
        ("ftp://a.example", None),
        ("https://", None),
        ("null", None),
        ("https://a b", None),
        ("http://[::1", None),
    ],
)
def test_an_origin_has_one_form(text: str, origin: str | None) -> None:
    assert canonical_origin(text) == origin


@pytest.mark.parametrize(
    ("environ", "production"),
    [
        ({}, False),
        ({"COMMONROOM_HOST": "localhost"}, False),
        ({"COMMONROOM_HOST": "::1"}, False),
        ({"COMMONROOM_HOST": "0.0.0.0"}, True),
        ({"COMMONROOM_PUBLIC_URL": "https://rooms.example"}, True),
        ({"COMMONROOM_HOST": "0.0.0.0", "COMMONROOM_ENV": "development"}, False),
        ({"COMMONROOM_ENV": "production"}, True),
    ],
)
def test_production_is_what_others_can_reach(environ: dict[str, str], production: bool) -> None:
    loaded: Loaded = load({}, environ)
    assert is_production(loaded.settings) is production
