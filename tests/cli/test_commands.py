"""Commands that start no server: what they print, and how they end."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from commonroom import __version__
from commonroom.cli import doctor, main
from commonroom.storage.embedded.redis import EmbeddedRedis
from tests.support.server import run_cli

SECRET_URL = "postgresql://me:hunter2@db.example/rooms"

BAD_SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "port of letters": ({"COMMONROOM_PORT": "http"}, "http.port"),
    "port too high": ({"COMMONROOM_PORT": "65536"}, "http.port"),
    "negative port": ({"COMMONROOM_PORT": "-1"}, "http.port"),
    "no host": ({"COMMONROOM_HOST": ""}, "http.host"),
    "level": ({"COMMONROOM_LOG__LEVEL": "loud"}, "log.level"),
    "ttl": ({"COMMONROOM_HTTP__WS_TOKEN_TTL_S": "301"}, "http.ws_token_ttl_s"),
    "endless ttl": ({"COMMONROOM_HTTP__WS_TOKEN_TTL_S": "nan"}, "http.ws_token_ttl_s"),
    "public url": ({"COMMONROOM_PUBLIC_URL": "rooms.example"}, "http.public_url"),
    "unknown": ({"COMMONROOM_PROT": "1"}, "COMMONROOM_PORT"),
    "unknown, long": ({"COMMONROOM_HTTP__PROT": "1"}, "COMMONROOM_HTTP__PORT"),
    "no such file": ({"COMMONROOM_CONFIG": "/no/such.toml"}, "/no/such.toml"),
}


def _run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, arguments, env=env or {})


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "DATA", "ENV", "PUBLIC_URL", "POSTGRES_URL", "REDIS_URL", "CONFIG", "METRICS_PORT", "ECHO_PORT"):
        monkeypatch.delenv(f"COMMONROOM_{name}", raising=False)


def _assert_one_line(result: Result, code: int = 2) -> str:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("commonroom: ")
    return line


def test_version_is_printed() -> None:
    assert _run("version").stdout == f"{__version__}\n"
    assert json.loads(_run("version", "--json").stdout) == {"version": __version__}


@pytest.mark.parametrize("command", [(), ("serve",), ("migrate",), ("migrate", "up"), ("config",), ("config", "show"), ("doctor",)])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    result = _run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize("arguments", [("no-such",), ("serve", "--no-such"), ("migrate", "down")])
def test_an_unknown_command_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert _run(*arguments).exit_code == 2


def test_config_shows_every_value_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[gateway]\nheartbeat_s = 9\n")
    shown = _run("config", "show", "--config", str(tmp_path / "c.toml"), env={"COMMONROOM_PORT": "9000"}).stdout
    lines = {line.partition(" = ")[0]: line for line in shown.splitlines()}
    assert lines["http.port"].startswith("http.port = 9000 ")
    assert lines["http.port"].endswith("[environment COMMONROOM_PORT]")
    assert lines["gateway.heartbeat_s"].endswith(f"[file {tmp_path / 'c.toml'}]")
    assert lines["http.host"].endswith("[default]")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_config_shows_no_secret(form: tuple[str, ...]) -> None:
    result = _run("config", "show", *form, env={"COMMONROOM_POSTGRES_URL": SECRET_URL})
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    assert "********" in result.stdout


def test_config_as_json_has_the_same_rows() -> None:
    rows = json.loads(_run("config", "show", "--json", env={"COMMONROOM_PORT": "9000"}).stdout)
    (port,) = [row for row in rows if row["path"] == "http.port"]
    assert (port["value"], port["origin"]) == ("9000", "environment COMMONROOM_PORT")
    assert len(rows) == len(_run("config", "show").stdout.splitlines())


def test_valid_settings_are_ok() -> None:
    assert _run("config", "check").stdout == "ok\n"
    assert json.loads(_run("config", "check", "--json").stdout) == {"ok": True}


@pytest.mark.parametrize(("env", "named"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
@pytest.mark.parametrize("command", [("config", "check"), ("serve",), ("doctor", "--json"), ("migrate", "status")])
def test_a_bad_setting_ends_every_command_with_one_line(command: tuple[str, ...], env: dict[str, str], named: str) -> None:
    assert named in _assert_one_line(_run(*command, env=env))


def test_a_bad_flag_is_named() -> None:
    assert "--port" in _assert_one_line(_run("serve", "--port", "x"))


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({}, "set COMMONROOM_POSTGRES_URL and COMMONROOM_REDIS_URL"),
        ({"COMMONROOM_POSTGRES_URL": SECRET_URL}, "set COMMONROOM_REDIS_URL"),
        ({"COMMONROOM_REDIS_URL": "redis://cache"}, "set COMMONROOM_POSTGRES_URL"),
    ],
)
@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_node_that_joins_says_which_url_it_misses(env: dict[str, str], missing: str, workers: tuple[str, ...]) -> None:
    assert _assert_one_line(_run("serve", "--node", *workers, env=env)).endswith(missing)


@pytest.mark.parametrize(
    ("flag", "value", "named"),
    [("--redis-url", "cache", "redis.url"), ("--weight", "0", "cluster.weight"), ("--name", "a b", "cluster.name")],
)
def test_a_bad_flag_of_the_cluster_names_its_setting(flag: str, value: str, named: str) -> None:
    assert named in _assert_one_line(_run("serve", flag, value))


@pytest.mark.parametrize("workers", ["0", "257", "x"])
def test_a_number_of_workers_that_cannot_be_meant_is_refused(workers: str) -> None:
    result = _run("serve", "--workers", workers)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--workers" in result.stderr


@pytest.mark.parametrize(
    "url", ["mysql://me:hunter2@db/x", "postgresql://me:hunter2/ab@db/x", "postgresql://me:hunter2?ab@db/x", "hunter2"]
)
def test_a_bad_secret_is_not_repeated(url: str) -> None:
    line = _assert_one_line(_run("config", "check", env={"COMMONROOM_POSTGRES_URL": url}))
    assert "postgres.url" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url", ["postgresql://me@/rooms?host=%2Ftmp", "postgres://me:p%2Fw@[::1]:5432/x", "postgresql://a:1,b:2/x", "postgresql:///x"]
)
def test_every_form_of_a_database_url_is_taken(url: str) -> None:
    assert _run("config", "check", env={"COMMONROOM_POSTGRES_URL": url}).stdout == "ok\n"


@pytest.mark.parametrize("command", [("migrate", "up"), ("migrate", "status")])
def test_a_database_that_does_not_answer_ends_with_one_line(command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    line = _assert_one_line(_run(*command, env={"COMMONROOM_POSTGRES_URL": f"postgresql://me:hunter2@127.0.0.1:{port}/x"}))
    assert "does not answer" in line
    assert "hunter2" not in line


async def test_migrations_are_told_applied_and_told_again(data: Path) -> None:
    code, out, err = await run_cli("migrate", "status", data=data)
    assert (code, err) == (1, "")
    states = [line.split() for line in out.splitlines()]
    assert states
    assert {state for state, _ in states} == {"pending"}
    code, out, err = await run_cli("migrate", "up", data=data)
    assert (code, out.split(), err) == (0, [name for _, name in states], "")
    assert (await run_cli("migrate", "up", data=data))[1] == "nothing to apply\n"
    code, out, _ = await run_cli("migrate", "status", "--json", data=data)
    assert code == 0
    assert json.loads(out) == {"applied": [name for _, name in states], "pending": []}


async def test_doctor_finds_nothing_wrong_here(data: Path) -> None:
    code, out, err = await run_cli("doctor", data=data, env={"COMMONROOM_PORT": "0"})
    assert (code, err) == (0, "")
    assert "database: PostgreSQL 18" in out
    assert not [line for line in out.splitlines() if line.startswith("fail")]


async def test_doctor_asks_redis_where_there_is_one(data: Path) -> None:
    assert await _redis_found("") == ("ok", "not needed by one node")
    redis = EmbeddedRedis()
    await redis.start(data)
    try:
        verdict, found = await _redis_found(redis.url)
        assert (verdict, found.split()[::2]) == ("ok", ["version", "answers"])
    finally:
        await redis.stop()
    verdict, found = await _redis_found(f"unix://me:hunter2@{data}/none.sock")
    assert verdict == "fail"
    assert f"redis at {data}/none.sock: " in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("told", "verdict", "found"),
    [
        (b"6.0.16", "fail", "version 6.0.16"),
        (b"6.2.0", "ok", "version 6.2.0 answers"),
        (b"10.1.0-rc1", "ok", "version 10.1.0-rc1 answers"),
        (b"", "fail", "TimeoutError: no answer in time"),
    ],
)
async def test_doctor_wants_a_redis_that_is_new_enough_and_answers(told: bytes, verdict: str, found: str) -> None:
    """A stand-in, because no real one can be had old or mute."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while command := await _command(reader):
            body = b"# Server\r\nredis_version:" + told
            answers = {b"PING": b"+PONG\r\n", b"INFO": b"$%d\r\n%s\r\n" % (len(body), body)}
            if told:
                writer.write(answers.get(command, b"-ERR unknown command\r\n"))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        told_verdict, told_found = await _redis_found(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert told_verdict == verdict
    assert told_found.endswith(found)


async def _command(reader: asyncio.StreamReader) -> bytes:
    """The name of the next command (RESP: `*2`, then each part after its length); empty at the end."""
    if not (head := await reader.readline()):
        return b""
    parts = []
    for _ in range(int(head[1:])):
        length = int((await reader.readline())[1:])
        parts.append((await reader.readexactly(length + 2))[:-2])
    return parts[0].upper()


async def _redis_found(url: str) -> tuple[str, str]:
    finding = await doctor._redis(url)
    assert finding.what == "redis"
    assert bool(finding.hint) == (finding.verdict == "fail")
    return finding.verdict, finding.found


async def test_doctor_says_what_to_mend(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        data.parent.joinpath("file").write_text("")
        env = {"COMMONROOM_PORT": str(taken.getsockname()[1]), "COMMONROOM_DATA": str(data.parent / "file" / "data")}
        code, out, err = await run_cli("doctor", "--json", data=data, env=env)
    assert (code, err) == (1, "")
    failed = {finding["what"]: finding for finding in json.loads(out) if finding["verdict"] == "fail"}
    assert failed.keys() == {"port", "data directory", "database"}
    assert all(finding["hint"] for finding in failed.values())
